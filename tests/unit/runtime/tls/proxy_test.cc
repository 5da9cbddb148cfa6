#include "runtime/tls/proxy.h"

#include <catch2/catch.hpp>
#include <map>

using namespace steeple::runtime;

namespace {

ProxySettings settings(std::map<std::string, std::string> values) {
  return ProxySettings::from([values = std::move(values)](const char* name) -> std::optional<std::string> {
    auto found = values.find(name);
    return found == values.end() ? std::nullopt : std::optional<std::string>(found->second);
  });
}

}  // namespace

TEST_CASE("The proxy comes from HTTPS_PROXY in either case") {
  for (const char* name : {"HTTPS_PROXY", "https_proxy"}) {
    auto proxy = settings({{name, "http://user:pa%40ss@proxy.test:3128/"}}).proxy_for("server.test", 8081);
    REQUIRE(proxy);
    REQUIRE(proxy->has_value());
    CHECK((*proxy)->host == "proxy.test");
    CHECK((*proxy)->port == 3128);
    CHECK((*proxy)->authorization == "Basic dXNlcjpwYUBzcw==");
  }
  auto bare = settings({{"HTTPS_PROXY", "proxy.test"}}).proxy_for("server.test", 8081);
  CHECK((*bare)->port == 80);
  auto v6 = settings({{"HTTPS_PROXY", "http://[::1]:3128"}}).proxy_for("server.test", 8081);
  CHECK((*v6)->host == "::1");
  CHECK_FALSE(settings({}).proxy_for("server.test", 8081)->has_value());
}

TEST_CASE("Loopback and exceptions go without a proxy") {
  auto with = settings({{"HTTPS_PROXY", "http://proxy.test:3128"}, {"NO_PROXY", ".corp.test, 10.0.0.0/8"}});
  CHECK_FALSE(with.proxy_for("localhost", 1)->has_value());
  CHECK_FALSE(with.proxy_for("127.0.0.9", 1)->has_value());
  CHECK_FALSE(with.proxy_for("::1", 1)->has_value());
  CHECK_FALSE(with.proxy_for("a.corp.test", 1)->has_value());
  CHECK_FALSE(with.proxy_for("10.1.2.3", 1)->has_value());
  CHECK(with.proxy_for("11.1.2.3", 1)->has_value());
  CHECK(with.proxy_for("corp.test", 1)->has_value());
}

TEST_CASE("NO_PROXY entries match names, ranges and ports") {
  CHECK(is_proxy_exception("*", "anything", 1));
  CHECK(is_proxy_exception("corp.test", "corp.test", 1));
  CHECK(is_proxy_exception("corp.test", "A.Corp.Test", 1));
  CHECK_FALSE(is_proxy_exception("corp.test", "notcorp.test", 1));
  CHECK(is_proxy_exception("*.corp.test", "a.corp.test", 1));
  CHECK_FALSE(is_proxy_exception("*.corp.test", "corp.test", 1));
  CHECK(is_proxy_exception("corp.test:8081", "corp.test", 8081));
  CHECK_FALSE(is_proxy_exception("corp.test:8081", "corp.test", 443));
  CHECK(is_proxy_exception("fd00::/8", "fd00::1", 1));
  CHECK_FALSE(is_proxy_exception("fd00::/8", "10.0.0.1", 1));
  CHECK(is_proxy_exception("[fd00::1]:8081", "fd00::1", 8081));
  CHECK(is_proxy_exception("fd00::1", "fd00::1", 8081));
  CHECK_FALSE(is_proxy_exception("", "corp.test", 1));
  CHECK_FALSE(is_proxy_exception(",, ,", "corp.test", 1));
  CHECK_FALSE(is_proxy_exception("10.0.0.0/99", "10.0.0.1", 1));
}

TEST_CASE("A proxy URL that cannot be used is an error without its password") {
  auto proxy = settings({{"HTTPS_PROXY", "socks5://user:secret@proxy.test"}}).proxy_for("server.test", 1);
  REQUIRE_FALSE(proxy);
  CHECK(proxy.error().code() == ErrorCode::kInvalidArgument);
  CHECK(proxy.error().message().find("secret") == std::string::npos);
  CHECK_FALSE(settings({{"HTTPS_PROXY", "http://:3128"}}).proxy_for("server.test", 1));
}

TEST_CASE("The CONNECT exchange") {
  Proxy proxy{"proxy.test", 3128, "Basic eA=="};
  CHECK(format_proxy_connect(proxy, "s:1").starts_with("CONNECT s:1 HTTP/1.1\r\nHost: s:1\r\n"));
  CHECK(format_proxy_connect(proxy, "s:1").find("Proxy-Authorization: Basic eA==\r\n") != std::string::npos);
  CHECK(join_host_port("fd00::1", 8081) == "[fd00::1]:8081");
  CHECK(*read_proxy_response("HTTP/1.1 200 OK\r\n\r\n"));
  CHECK_FALSE(*read_proxy_response("HTTP/1.1 200 OK\r\nVia: x\r\n"));
  CHECK(read_proxy_response("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").error().message() ==
        R"(failed to do connect handshake, response: "HTTP/1.1 407 Proxy Authentication Required")");
  CHECK_FALSE(read_proxy_response("garbage\r\n\r\n"));
  CHECK(read_proxy_response(std::string(kProxyResponseSizeMax, 'a')).error().code() == ErrorCode::kLimit);
}
