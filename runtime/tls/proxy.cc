#include "runtime/tls/proxy.h"

#include <fmt/format.h>

#include <algorithm>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>
#include <charconv>
#include <cstdlib>

#include "runtime/core/go_text.h"
#include "runtime/tls/encoding.h"

namespace steeple::runtime {
namespace {

namespace ip = boost::asio::ip;

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::optional<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return port;
}

std::optional<ip::address> parse_address(std::string_view text) {
  boost::system::error_code error;
  ip::address address = ip::make_address(std::string(text), error);
  if (error) return std::nullopt;
  return address;
}

bool in_range(std::string_view range, const ip::address& address) {
  boost::system::error_code error;
  if (address.is_v4()) {
    auto network = ip::make_network_v4(std::string(range), error);
    return !error && network.canonical() == ip::network_v4(address.to_v4(), network.prefix_length()).canonical();
  }
  auto network = ip::make_network_v6(std::string(range), error);
  return !error && network.canonical() == ip::network_v6(address.to_v6(), network.prefix_length()).canonical();
}

// "host:port" -> host and port; brackets go; without a port, 0.
std::pair<std::string_view, std::uint16_t> split_port(std::string_view text) {
  std::size_t colon = text.rfind(':');
  bool bracketed = !text.empty() && text.front() == '[';
  std::size_t bracket = bracketed ? text.find(']') : std::string_view::npos;
  if (bracketed && bracket == std::string_view::npos) return {text, 0};
  bool has_port = colon != std::string_view::npos && (bracketed ? colon == bracket + 1 : text.find(':') == colon);
  std::uint16_t port = has_port ? parse_port(text.substr(colon + 1)).value_or(0) : 0;
  if (bracketed) return {text.substr(1, bracket - 1), port};
  return {has_port ? text.substr(0, colon) : text, port};
}

bool name_matches(std::string_view pattern, std::string_view host) {
  bool below_only = false;
  if (pattern.starts_with("*.")) pattern.remove_prefix(1);
  if (pattern.starts_with(".")) {
    pattern.remove_prefix(1);
    below_only = true;
  }
  if (host == pattern) return !below_only;
  return host.size() > pattern.size() && host.ends_with(pattern) && host[host.size() - pattern.size() - 1] == '.';
}

bool entry_matches(std::string_view entry, const std::string& host, const std::optional<ip::address>& address,
                   std::uint16_t port) {
  if (entry == "*") return true;
  if (entry.find('/') != std::string_view::npos) return address && in_range(entry, *address);
  auto [pattern, pattern_port] = split_port(entry);
  // An IPv6 address without brackets has colons of its own.
  if (std::optional<ip::address> whole = parse_address(entry)) return address && *whole == *address;
  if (pattern_port != 0 && pattern_port != port) return false;
  if (std::optional<ip::address> wanted = parse_address(pattern)) return address && *wanted == *address;
  return !address && !pattern.empty() && name_matches(lower(pattern), host);
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 && hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

Result<Proxy> parse_proxy_url(std::string_view url) {
  Proxy proxy;
  std::uint16_t default_port = 80;
  if (std::size_t scheme_end = url.find("://"); scheme_end != std::string_view::npos) {
    std::string scheme = lower(url.substr(0, scheme_end));
    // The value itself stays out of the text: it may hold a password.
    if (scheme != "http") {
      return Error(ErrorCode::kInvalidArgument, "unsupported scheme of HTTPS_PROXY: " + go_quote(scheme));
    }
    url.remove_prefix(scheme_end + 3);
  }
  url = url.substr(0, url.find_first_of("/?#"));
  if (std::size_t at = url.rfind('@'); at != std::string_view::npos) {
    std::string user = percent_decoded(url.substr(0, at));
    if (user.find(':') == std::string::npos) user += ':';
    proxy.authorization = "Basic " + base64_encode(as_bytes(user));
    url.remove_prefix(at + 1);
  }
  auto [host, port] = split_port(url);
  if (host.empty()) return Error(ErrorCode::kInvalidArgument, "HTTPS_PROXY names no host");
  proxy.host = host;
  proxy.port = port != 0 ? port : default_port;
  return proxy;
}

}  // namespace

ProxySettings ProxySettings::from(const Environment& environment) {
  ProxySettings settings;
  auto first = [&](const char* upper_name, const char* lower_name) {
    std::optional<std::string> value = environment(upper_name);
    if (!value || value->empty()) value = environment(lower_name);
    return value.value_or("");
  };
  settings.url_ = first("HTTPS_PROXY", "https_proxy");
  settings.exceptions_ = first("NO_PROXY", "no_proxy");
  return settings;
}

ProxySettings ProxySettings::from_process() {
  return from([](const char* name) -> std::optional<std::string> {
    const char* value = std::getenv(name);
    if (value == nullptr) return std::nullopt;
    return value;
  });
}

Result<std::optional<Proxy>> ProxySettings::proxy_for(std::string_view host, std::uint16_t port) const {
  if (url_.empty() || host == "localhost") return std::optional<Proxy>();
  std::optional<ip::address> address = parse_address(host);
  if ((address && address->is_loopback()) || is_proxy_exception(exceptions_, host, port)) return std::optional<Proxy>();
  STEEPLE_TRY(proxy, parse_proxy_url(url_));
  return std::optional<Proxy>(std::move(proxy));
}

bool is_proxy_exception(std::string_view exceptions, std::string_view host, std::uint16_t port) {
  std::optional<ip::address> address = parse_address(host);
  std::string name = lower(host);
  while (!exceptions.empty()) {
    std::string_view entry = exceptions.substr(0, exceptions.find(','));
    exceptions.remove_prefix(std::min(exceptions.size(), entry.size() + 1));
    while (!entry.empty() && entry.front() == ' ') entry.remove_prefix(1);
    while (!entry.empty() && entry.back() == ' ') entry.remove_suffix(1);
    if (!entry.empty() && entry_matches(entry, name, address, port)) return true;
  }
  return false;
}

std::string join_host_port(std::string_view host, std::uint16_t port) {
  if (host.find(':') != std::string_view::npos) return fmt::format("[{}]:{}", host, port);
  return fmt::format("{}:{}", host, port);
}

std::string format_proxy_connect(const Proxy& proxy, std::string_view host_port) {
  std::string request = fmt::format("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\nUser-Agent: steeple\r\n", host_port);
  if (!proxy.authorization.empty()) request += fmt::format("Proxy-Authorization: {}\r\n", proxy.authorization);
  return request += "\r\n";
}

Result<bool> read_proxy_response(std::string_view received) {
  if (received.find("\r\n\r\n") == std::string_view::npos) {
    if (received.size() < kProxyResponseSizeMax) return false;
    return Error(ErrorCode::kLimit, "proxy's answer to CONNECT is too long");
  }
  std::string_view line = received.substr(0, received.find("\r\n"));
  bool is_http = line.starts_with("HTTP/1.") && line.size() >= 12 && line[8] == ' ';
  if (is_http && line.substr(9, 3) == "200") return true;
  return Error(ErrorCode::kUnavailable, "failed to do connect handshake, response: " + go_quote(line));
}

}  // namespace steeple::runtime
