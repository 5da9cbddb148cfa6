// Proxy settings and a proxy's answer.
#include "runtime/tls/proxy.h"

using namespace steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string text(reinterpret_cast<const char*>(data), size);
  auto settings = ProxySettings::from([&](const char*) { return std::optional<std::string>(text); });
  static_cast<void>(settings.proxy_for("server.test", 8081));
  static_cast<void>(is_proxy_exception(text, "10.0.0.1", 8081));
  static_cast<void>(read_proxy_response(text));
  return 0;
}
