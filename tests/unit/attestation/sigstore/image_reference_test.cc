#include "attestation/sigstore/image_reference.h"

#include <catch2/catch.hpp>

using namespace steeple::attestation;

namespace {

const std::string kDigest = "sha256:" + std::string(64, 'a');

std::string name_of(const std::string& text) {
  auto parsed = parse_image_reference(text);
  return parsed ? parsed->name() : parsed.error().message();
}

}  // namespace

TEST_CASE("image reference: registry, repository, tag and digest, as Docker Hub completes them") {
  CHECK(name_of("debian") == "index.docker.io/library/debian:latest");
  CHECK(name_of("docker.io/library/debian:12") == "index.docker.io/library/debian:12");
  CHECK(name_of("envoyproxy/envoy@" + kDigest) == "index.docker.io/envoyproxy/envoy@" + kDigest);
  CHECK(name_of("ghcr.io/o/r:v1@" + kDigest) == "ghcr.io/o/r@" + kDigest);
  CHECK(name_of("127.0.0.1:5000/app@" + kDigest) == "127.0.0.1:5000/app@" + kDigest);
  CHECK(name_of("localhost/app") == "localhost/app:latest");
  CHECK(name_of("[::1]:5000/app:T-1") == "[::1]:5000/app:T-1");
  CHECK(name_of("host:5000/a/b") == "host:5000/a/b:latest");
  CHECK(name_of("docker-pullable://ghcr.io/o/r@" + kDigest) == "docker-pullable://ghcr.io/o/r@" + kDigest);
  auto parsed = parse_image_reference("ghcr.io/o/r@" + kDigest);
  REQUIRE(parsed);
  CHECK(parsed->registry == "ghcr.io");
  CHECK(parsed->repository == "o/r");
  CHECK(parsed->tag.empty());
  CHECK(parsed->identifier() == kDigest);
}

TEST_CASE("image reference: what is none is refused in upstream's words") {
  for (const std::string& text :
       {std::string(), std::string("a"), std::string("Upper/case"), std::string("ghcr.io/o/r:"),
        std::string("ghcr.io/o/r@sha256:ab"), "ghcr.io/o/r@sha512:" + std::string(64, 'a'),
        "ghcr.io/o/r@" + kDigest + "@" + kDigest, "ghcr.io/o/r:" + std::string(129, 't'),
        std::string("ex ample.com/a/b"), "sha256:" + std::string(129, 'a'), std::string("ghcr.io:x/o/r"),
        "ghcr.io/o/r@sha256:" + std::string(64, 'A')}) {
    INFO(text);
    CHECK(name_of(text) == "could not parse reference: " + text);
  }
}

TEST_CASE("image reference: plain HTTP for the machine itself and private networks") {
  for (const char* registry : {"localhost:5000", "a.localhost", "a.localhost:80", "127.0.0.1", "127.0.0.1:5000", "::1",
                               "[::1]", "[::1]:5000", "10.1.2.3", "172.16.0.1:5000", "192.168.1.1"}) {
    INFO(registry);
    CHECK(allows_plain_http(registry));
  }
  for (const char* registry : {"localhost", "ghcr.io", "127.0.0.2:5000", "127.0.0.1.example.org", "172.32.0.1",
                               "localhost.example.org:80", "127.0.0.1:123456", "[::2]:5000", "8.8.8.8"}) {
    INFO(registry);
    CHECK_FALSE(allows_plain_http(registry));
  }
}
