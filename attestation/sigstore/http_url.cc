#include "attestation/sigstore/http_url.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>

#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::go_quote;
using runtime::Result;

namespace {

namespace ip = boost::asio::ip;
constexpr std::size_t kUrlMax = 8192;

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](unsigned char c) { return c > ' ' && c < 0x7F; });
}

bool is_alphanumeric(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

// Where the port begins, with its colon; the size where there is none.
std::size_t port_start(std::string_view host) {
  const std::size_t bracket = host.rfind(']');
  const std::size_t colon = host.find(':', bracket == std::string_view::npos ? 0 : bracket);
  return std::min(colon, host.size());
}

bool is_internal(const ip::address_v4& address) {
  const std::uint32_t number = address.to_uint();
  const bool loopback = number >> 24 == 127;
  const bool link_local = number >> 16 == 0xA9FE || number >> 8 == 0xE00000;
  const bool own_network = number >> 24 == 10 || number >> 20 == 0xAC1 || number >> 16 == 0xC0A8;
  return loopback || link_local || own_network || number == 0;
}

}  // namespace

std::string HttpUrl::text() const { return (tls ? "https://" : "http://") + host + target; }

std::string HttpUrl::host_name() const {
  std::string_view name = std::string_view(host).substr(0, port_start(host));
  if (name.starts_with('[') && name.ends_with(']')) name = name.substr(1, name.size() - 2);
  return std::string(name);
}

bool is_url_authority(std::string_view text) {
  const std::size_t port = port_start(text);
  const std::string_view digits = text.substr(std::min(port + 1, text.size()));
  if (digits.find_first_not_of("0123456789") != std::string_view::npos) return false;
  std::string_view name = text.substr(0, port);
  if (name.starts_with('[')) {
    name = name.substr(1, name.size() - 2);
    return text.substr(port - 1, 1) == "]" && !name.empty() &&
           name.find_first_not_of("0123456789abcdefABCDEF:.") == std::string_view::npos;
  }
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '.' || c == '_' || c == '~';
  });
}

std::optional<HttpUrl> parse_http_url(std::string_view text) {
  if (text.size() > kUrlMax || !is_printable(text)) return std::nullopt;
  HttpUrl url;
  const std::size_t scheme = text.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  std::string name(text.substr(0, scheme));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  if (name != "http" && name != "https") return std::nullopt;
  url.tls = name == "https";
  std::string_view rest = text.substr(scheme + 3);
  const std::size_t end = std::min(rest.find_first_of("/?#\\"), rest.size());
  url.host = rest.substr(0, end);
  if (!is_url_authority(url.host)) return std::nullopt;
  rest = rest.substr(end);
  rest = rest.substr(0, rest.find('#'));
  if (rest.starts_with('\\')) return std::nullopt;
  url.target = (rest.starts_with('/') ? "" : "/") + std::string(rest);
  return url;
}

std::optional<HttpUrl> resolve_location(const HttpUrl& base, std::string_view location) {
  if (location.empty() || !is_printable(location)) return std::nullopt;
  if (location.find("://") < location.find_first_of("/?#")) return parse_http_url(location);
  const std::string scheme = base.tls ? "https:" : "http:";
  if (location.starts_with("//")) return parse_http_url(scheme + std::string(location));
  const std::string server = scheme + "//" + base.host;
  if (location.starts_with('/')) return parse_http_url(server + std::string(location));
  const std::string path = base.target.substr(0, base.target.find('?'));
  const std::string folder = location.starts_with('?') ? path : path.substr(0, path.rfind('/') + 1);
  return parse_http_url(server + folder + std::string(location));
}

bool same_server(std::string_view left, std::string_view right, bool tls) {
  const auto canonical = [tls](std::string_view host) {
    const std::size_t port = port_start(host);
    const std::string_view number = host.substr(port);
    return std::string(host.substr(0, port)) + (number.size() > 1 ? std::string(number) : tls ? ":443" : ":80");
  };
  return canonical(left) == canonical(right);
}

bool is_internal_address(const std::string& host_name) {
  boost::system::error_code bad;
  const ip::address address = ip::make_address(host_name, bad);
  if (bad) return false;
  if (address.is_v4()) return is_internal(address.to_v4());
  const ip::address_v6 v6 = address.to_v6();
  if (v6.is_v4_mapped()) return is_internal(ip::make_address_v4(ip::v4_mapped, v6));
  const auto bytes = v6.to_bytes();
  const bool own_network = (bytes[0] & 0xFE) == 0xFC;
  const bool link_multicast = bytes[0] == 0xFF && (bytes[1] & 0x0F) == 0x02;
  return v6.is_loopback() || v6.is_link_local() || v6.is_unspecified() || own_network || link_multicast;
}

Result<HttpUrl> check_realm(std::string_view realm, std::string_view registry, bool plain_http) {
  const auto refuse = [](std::string text) {
    return Error(ErrorCode::kDenied, "invalid realm in www-authenticate: " + std::move(text));
  };
  std::optional<HttpUrl> url = parse_http_url(realm);
  if (!url) {
    return refuse(fmt::format("{} is not allowed; must be https (or http for insecure registries)", go_quote(realm)));
  }
  if (!url->tls && !plain_http) return refuse("realm scheme \"http\" not allowed for a secure registry; use https");
  if (url->host == registry) return std::move(*url);
  if (is_internal_address(url->host_name())) {
    return refuse(fmt::format("realm host {} is a private or link-local address", go_quote(url->host_name())));
  }
  return std::move(*url);
}

Result<void> check_redirect(const HttpUrl& first, const HttpUrl& next) {
  if (first.tls && !next.tls) {
    return Error(ErrorCode::kDenied, fmt::format("redirect from https to {} denied", go_quote(next.text())));
  }
  const std::string from = first.host_name(), to = next.host_name();
  if (from == to || !is_internal_address(to)) return {};
  return Error(ErrorCode::kDenied, fmt::format("SSRF protection: redirect from {} to private/link-local host {} denied",
                                               go_quote(from), go_quote(to)));
}

std::string query_escaped(std::string_view text) {
  std::string out;
  for (char c : text) {
    if (is_alphanumeric(c) || c == '-' || c == '_' || c == '.' || c == '~') {
      out += c;
    } else if (c == ' ') {
      out += '+';
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

}  // namespace steeple::attestation
