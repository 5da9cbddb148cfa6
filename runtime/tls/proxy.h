// The HTTP proxy of an outgoing TLS connection, by the environment's rules (HTTPS_PROXY, NO_PROXY; server-sync 1.6),
// and the CONNECT exchange with it. Sans I/O.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::runtime {

inline constexpr std::size_t kProxyResponseSizeMax = 16 * 1024;

struct Proxy {
  std::string host;
  std::uint16_t port = 0;
  std::string authorization;  // "Basic ..." or empty; never logged
};

// HTTPS_PROXY and NO_PROXY (also in lower case) as `environment` gives them. Loopback is never proxied.
class ProxySettings {
 public:
  using Environment = std::function<std::optional<std::string>(const char* name)>;
  static ProxySettings from(const Environment& environment);
  static ProxySettings from_process();

  // Nothing: connect directly. kInvalidArgument when the proxy's URL cannot be used.
  Result<std::optional<Proxy>> proxy_for(std::string_view host, std::uint16_t port) const;

 private:
  std::string url_;
  std::string exceptions_;
};

// NO_PROXY: "*", names with or without a leading dot or "*." (the name and what is below it), addresses, CIDR ranges,
// each with an optional port.
bool is_proxy_exception(std::string_view exceptions, std::string_view host, std::uint16_t port);

std::string join_host_port(std::string_view host, std::uint16_t port);  // brackets IPv6
std::string format_proxy_connect(const Proxy& proxy, std::string_view host_port);
// False: more bytes are needed. An error when the answer is not a success.
Result<bool> read_proxy_response(std::string_view received);

}  // namespace steeple::runtime
