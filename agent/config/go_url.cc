#include "agent/config/go_url.h"

#include <arpa/inet.h>
#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"

namespace steeple::agent {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

bool is_hex(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

Error malformed(std::string message) { return Error(ErrorCode::kMalformed, std::move(message)); }

Result<void> check_escapes(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (i + 2 < text.size() && is_hex(text[i + 1]) && is_hex(text[i + 2])) continue;
    return malformed("invalid URL escape " + runtime::go_quote(text.substr(i, 3)));
  }
  return {};
}

// What Go takes in a host name that is not escaped.
Result<void> check_host(std::string_view host) {
  constexpr std::string_view kAllowed = "-_.~!$&'()*+,;=:[]<>\"%";
  for (char c : host) {
    const bool plain = is_letter(c) || is_digit(c) || static_cast<unsigned char>(c) >= 0x80;
    if (!plain && kAllowed.find(c) == std::string_view::npos)
      return malformed(fmt::format("invalid character {} in host name", runtime::go_quote(std::string(1, c))));
  }
  return check_escapes(host);
}

// Takes "scheme:" off. No error when there is none.
Result<std::string> take_scheme(std::string_view& text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_letter(c)) continue;
    if (is_digit(c) || c == '+' || c == '-' || c == '.') {
      if (i == 0) return std::string();
      continue;
    }
    if (c != ':') return std::string();
    if (i == 0) return malformed("missing protocol scheme");
    std::string scheme(text.substr(0, i));
    for (char& letter : scheme) letter = static_cast<char>(letter >= 'A' && letter <= 'Z' ? letter | 0x20 : letter);
    text.remove_prefix(i + 1);
    return scheme;
  }
  return std::string();
}

Result<void> take_authority(std::string_view authority, GoUrl& url) {
  if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
    url.has_user = true;
    STEEPLE_CHECK(check_escapes(authority.substr(0, at)));
    authority.remove_prefix(at + 1);
  }
  std::size_t colon = authority.rfind(':');
  if (authority.starts_with('[')) {
    const std::size_t bracket = authority.rfind(']');
    if (bracket == std::string_view::npos) return malformed("missing ']' in host");
    colon = bracket + 1;
  }
  if (colon < authority.size()) {
    const std::string_view port = authority.substr(colon);
    if (port[0] != ':' || !std::all_of(port.begin() + 1, port.end(), is_digit)) {
      return malformed(fmt::format("invalid port {} after host", runtime::go_quote(port)));
    }
  }
  STEEPLE_CHECK(check_host(authority));
  url.host = authority;
  return {};
}

Result<GoUrl> cut_url(std::string_view text) {
  GoUrl url;
  if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
    url.fragment = text.substr(hash + 1);
    text = text.substr(0, hash);
    STEEPLE_CHECK(check_escapes(url.fragment));
  }
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7F; };
  if (std::any_of(text.begin(), text.end(), is_control)) {
    return malformed("net/url: invalid control character in URL");
  }
  STEEPLE_TRY(scheme, take_scheme(text));
  url.scheme = std::move(scheme);
  if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
    url.query = text.substr(mark + 1);
    text = text.substr(0, mark);
  }
  if (!text.starts_with('/')) {
    if (!url.scheme.empty()) {
      url.opaque = text;
      return url;
    }
    if (text.substr(0, text.find('/')).find(':') != std::string_view::npos) {
      return malformed("first path segment in URL cannot contain colon");
    }
  }
  if (text.starts_with("//") && (!url.scheme.empty() || !text.starts_with("///"))) {
    const std::size_t end = std::min(text.find('/', 2), text.size());
    STEEPLE_CHECK(take_authority(text.substr(2, end - 2), url));
    text.remove_prefix(end);
  }
  STEEPLE_CHECK(check_escapes(text));
  url.path = text;
  return url;
}

Result<void> check_tcp_address(const GoUrl& url) {
  const auto refuse = [](std::string_view what) {
    return malformed(fmt::format("workload endpoint tcp socket URI {}", what));
  };
  if (!url.opaque.empty()) return refuse("must not be opaque");
  if (url.has_user) return refuse("must not include user info");
  if (url.host.empty()) return refuse("must include a host");
  if (!url.path.empty()) return refuse("must not include a path");
  if (!url.query.empty()) return refuse("must not include query values");
  if (!url.fragment.empty()) return refuse("must not include a fragment");
  unsigned char address[16];
  const std::string host = url.host_name();
  if (inet_pton(AF_INET, host.c_str(), address) != 1 && inet_pton(AF_INET6, host.c_str(), address) != 1) {
    return refuse("host component must be an IP:port");
  }
  if (url.port().empty()) return refuse("host component must include a port");
  return {};
}

Result<void> check_unix_address(const GoUrl& url) {
  const auto refuse = [](std::string_view what) {
    return malformed(fmt::format("workload endpoint unix socket URI {}", what));
  };
  if (!url.opaque.empty()) return refuse("must not be opaque");
  if (url.has_user) return refuse("must not include user info");
  if (url.host.empty() && url.path.empty()) return refuse("must include a path");
  if (!url.query.empty()) return refuse("must not include query values");
  if (!url.fragment.empty()) return refuse("must not include a fragment");
  return {};
}

}  // namespace

std::string GoUrl::host_name() const {
  if (host.starts_with('[')) return host.substr(1, host.rfind(']') - 1);
  return host.substr(0, host.rfind(':'));
}

std::string GoUrl::port() const {
  const std::size_t colon = host.rfind(':');
  const bool in_brackets = host.ends_with(']');
  return colon == std::string::npos || in_brackets ? std::string() : host.substr(colon + 1);
}

std::vector<std::string> GoUrl::query_names() const {
  std::vector<std::string> names;
  std::string_view rest = query;
  while (!rest.empty()) {
    const std::string_view pair = rest.substr(0, rest.find('&'));
    rest.remove_prefix(std::min(rest.size(), pair.size() + 1));
    if (pair.empty() || pair.find(';') != std::string_view::npos) continue;
    std::string name;
    const std::string_view raw = pair.substr(0, pair.find('='));
    for (std::size_t i = 0; i < raw.size(); ++i) {
      if (raw[i] == '%' && i + 2 < raw.size() && is_hex(raw[i + 1]) && is_hex(raw[i + 2])) {
        name.push_back(static_cast<char>(std::stoi(std::string(raw.substr(i + 1, 2)), nullptr, 16)));
        i += 2;
      } else {
        name.push_back(raw[i] == '+' ? ' ' : raw[i]);
      }
    }
    names.push_back(std::move(name));
  }
  return names;
}

Result<GoUrl> parse_go_url(std::string_view text) {
  return runtime::with_context(cut_url(text), "parse " + runtime::go_quote(text));
}

Result<void> check_workload_api_address(std::string_view address) {
  Result<GoUrl> url = parse_go_url(address);
  if (!url) return std::move(url.error()).with_context("workload endpoint socket is not a valid URI");
  if (url->scheme == "tcp") return check_tcp_address(*url);
  if (url->scheme == "unix") return check_unix_address(*url);
  return malformed("workload endpoint socket URI must have a \"tcp\" or \"unix\" scheme");
}

Result<void> check_host_port(std::string_view address) {
  const std::size_t colon = address.rfind(':');
  const auto refuse = [&](std::string_view why) { return malformed(fmt::format("address {}: {}", address, why)); };
  if (colon == std::string_view::npos) return refuse("missing port in address");
  if (address.starts_with('[')) {
    const std::size_t bracket = address.find(']');
    if (bracket == std::string_view::npos) return refuse("missing ']' in address");
    if (bracket + 1 == address.size()) return refuse("missing port in address");
    if (bracket + 1 != colon) return refuse("too many colons in address");
  } else if (address.find(':') != colon) {
    return refuse("too many colons in address");
  }
  return {};
}

}  // namespace steeple::agent
