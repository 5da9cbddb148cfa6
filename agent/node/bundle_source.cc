#include "agent/node/bundle_source.h"

#include <fmt/format.h>

#include <map>

#include "agent/spiffe/jwks.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"

namespace steeple::agent {

namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

bool is_unreserved(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.' || c == '~';
}

std::string query_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (is_unreserved(c)) {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

std::string_view attest_mode(const BootstrapState& state) {
  return state.use == BootstrapUse::kRebootstrap ? "rebootstrap" : "bootstrap";
}

// The key of "key=value", as it is written: keys that need escapes cannot clash with ours.
std::string key_of(const std::string& pair) { return pair.substr(0, pair.find('=')); }

}  // namespace

std::string bundle_url(const BundleSourceOptions& options, const BootstrapState& state) {
  if (options.trust_bundle_unix_socket.empty()) return options.trust_bundle_url;
  std::string url = options.trust_bundle_url.substr(0, options.trust_bundle_url.find('#'));
  std::size_t mark = url.find('?');
  // Sorted by key, as Go encodes a query; pairs of the same key keep their order.
  std::multimap<std::string, std::string> pairs;
  std::string query = mark == std::string::npos ? "" : url.substr(mark + 1);
  for (std::size_t at = 0; at < query.size();) {
    std::size_t end = std::min(query.find('&', at), query.size());
    std::string pair = query.substr(at, end - at);
    if (!pair.empty()) pairs.emplace(key_of(pair), pair.find('=') == std::string::npos ? pair + '=' : pair);
    at = end + 1;
  }
  auto set = [&pairs](std::string key, std::string_view value) {
    pairs.erase(key);
    pairs.emplace(key, key + '=' + query_escaped(value));
  };
  set("spire-attest-mode", attest_mode(state));
  set("spire-connection-attempts", std::to_string(state.connection_attempts));
  set("spire-attest-start-time", runtime::rfc3339(state.start_time.value_or(runtime::WallTime())));
  set("spire-server-address", options.server_address);
  set("spire-server-port", std::to_string(options.server_port));
  set("spiffe-trust-domain", options.trust_domain.name());
  url = url.substr(0, mark);
  char separator = '?';
  for (const auto& [key, pair] : pairs) {
    url += separator + pair;
    separator = '&';
  }
  return url;
}

bool ConfiguredBundleSource::insecure() const {
  return options_.insecure_bootstrap && options_.trust_bundle_url.empty() && options_.trust_bundle_path.empty();
}

runtime::Task<Result<std::string>> ConfiguredBundleSource::download(std::string url, runtime::StopToken stop) {
  runtime::HttpRequest request;
  request.url = url;
  request.unix_socket = options_.trust_bundle_unix_socket;
  request.body_size_max = kBundleDocumentSizeMax;
  Result<runtime::HttpResponse> response =
      co_await http_.send(std::move(request), runtime::Deadline::in(kBundleDownloadTimeout), stop);
  if (!response) {
    co_return std::move(response.error()).with_context(fmt::format("unable to fetch trust bundle URL {}", url));
  }
  if (response->status_code != 200) {
    co_return Error(ErrorCode::kUnavailable, fmt::format("error downloading trust bundle: {}", response->status));
  }
  co_return std::move(response->body);
}

runtime::Task<Result<ServerTrust>> ConfiguredBundleSource::read(const BootstrapState& state, runtime::StopToken stop) {
  if (insecure()) co_return ServerTrust();
  std::string content;
  if (!options_.trust_bundle_url.empty()) {
    STEEPLE_CO_TRY(body, co_await download(bundle_url(options_, state), stop));
    content = std::move(body);
  } else {
    STEEPLE_CO_TRY(text, runtime::with_context(runtime::read_file(options_.trust_bundle_path, kBundleDocumentSizeMax),
                                               "could not parse trust bundle"));
    content = std::move(text);
  }
  STEEPLE_CO_TRY(bundle, parse_trust_bundle(options_.trust_bundle_format, content));
  co_return ServerTrust(std::move(bundle));
}

}  // namespace steeple::agent
