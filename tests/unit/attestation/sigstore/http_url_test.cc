#include "attestation/sigstore/http_url.h"

#include <catch2/catch.hpp>

using namespace steeple::attestation;
using steeple::runtime::ErrorCode;

namespace {

std::string where(std::string_view location) {
  const HttpUrl base{true, "reg.example:5000", "/v2/app/blobs/sha256:x?q=1"};
  auto next = resolve_location(base, location);
  return next ? next->text() : "nowhere";
}

}  // namespace

TEST_CASE("http url: a redirect's location is absolute or relative to its request") {
  CHECK(where("https://cdn.example/x?y=z#f") == "https://cdn.example/x?y=z");
  CHECK(where("HTTP://cdn.example") == "http://cdn.example/");
  CHECK(where("//cdn.example/a") == "https://cdn.example/a");
  CHECK(where("/a/b") == "https://reg.example:5000/a/b");
  CHECK(where("other") == "https://reg.example:5000/v2/app/blobs/other");
  CHECK(where("?t=1") == "https://reg.example:5000/v2/app/blobs/sha256:x?t=1");
  CHECK(where("/go?to=https://b/") == "https://reg.example:5000/go?to=https://b/");
  for (const char* bad :
       {"", "ftp://a/b", "https:///x", "https://user:pw@a/b", "https://a b/", "https://a\\@b/", "/a\r\nb"}) {
    INFO(bad);
    CHECK(where(bad) == "nowhere");
  }
}

TEST_CASE("http url: one server under the scheme's own port") {
  CHECK(same_server("ghcr.io", "ghcr.io:443", true));
  CHECK(same_server("[::1]", "[::1]:80", false));
  CHECK(same_server("a:", "a", true));
  CHECK_FALSE(same_server("ghcr.io", "ghcr.io:80", true));
  CHECK_FALSE(same_server("ghcr.io", "ghcr.io.evil.example", true));
}

TEST_CASE("http url: addresses of the machine, its link and private networks") {
  for (const char* host :
       {"127.0.0.1", "127.9.9.9", "10.0.0.1", "172.31.255.1", "192.168.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.5",
        "::1", "::", "fe80::1", "fd00:ec2::254", "ff02::1", "::ffff:127.0.0.1"}) {
    INFO(host);
    CHECK(is_internal_address(host));
  }
  for (const char* host : {"8.8.8.8", "172.32.0.1", "localhost", "ghcr.io", "2001:db8::1"}) {
    INFO(host);
    CHECK_FALSE(is_internal_address(host));
  }
}

TEST_CASE("http url: tokens are fetched only where that is safe") {
  CHECK(check_realm("https://auth.example/token?a=b", "reg.example", false)->text() ==
        "https://auth.example/token?a=b");
  CHECK(check_realm("http://127.0.0.1:5000/token", "127.0.0.1:5000", true));
  const auto refused = [](std::string_view realm, std::string_view registry, bool plain) {
    auto url = check_realm(realm, registry, plain);
    REQUIRE_FALSE(url);
    CHECK(url.error().code() == ErrorCode::kDenied);
    return url.error().message();
  };
  CHECK(refused("http://auth.example/", "reg.example", false) ==
        "invalid realm in www-authenticate: realm scheme \"http\" not allowed for a secure registry; use https");
  CHECK(refused("https://169.254.169.254/latest", "reg.example", false) ==
        "invalid realm in www-authenticate: realm host \"169.254.169.254\" is a private or link-local address");
  CHECK(refused("http://127.0.0.1:1/", "127.0.0.1:5000", true) ==
        "invalid realm in www-authenticate: realm host \"127.0.0.1\" is a private or link-local address");
  CHECK(refused("file:///etc/passwd", "reg.example", true) ==
        "invalid realm in www-authenticate: \"file:///etc/passwd\" is not allowed; must be https (or http for insecure "
        "registries)");
}

TEST_CASE("http url: redirects stay out of private networks and in TLS") {
  const HttpUrl from{true, "reg.example", "/"};
  CHECK(check_redirect(from, {true, "cdn.example", "/"}));
  CHECK(check_redirect({true, "10.0.0.1", "/"}, {true, "10.0.0.1:81", "/"}));
  CHECK(check_redirect(from, {false, "cdn.example", "/"}).error().code() == ErrorCode::kDenied);
  CHECK(check_redirect(from, {true, "169.254.169.254", "/"}).error().message() ==
        "SSRF protection: redirect from \"reg.example\" to private/link-local host \"169.254.169.254\" denied");
  CHECK(query_escaped("repository:o/r:pull a") == "repository%3Ao%2Fr%3Apull+a");
}
