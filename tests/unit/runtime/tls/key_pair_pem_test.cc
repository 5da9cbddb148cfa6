// Which blocks of a PEM file count, and Go's words where none does.
#include "runtime/tls/key_pair_pem.h"

#include <catch2/catch.hpp>

using namespace steeple::runtime;

namespace {

std::string block(const std::string& type) {
  return "-----BEGIN " + type + "-----\nAAEC\n-----END " + type + "-----\n";
}
std::string chain_error(const std::string& pem) { return certificate_chain_from_pem(pem).error().message(); }
std::string key_error(const std::string& pem) { return private_key_block_from_pem(pem).error().message(); }

}  // namespace

TEST_CASE("Certificate blocks of a PEM file, whatever lies between them") {
  auto chain =
      certificate_chain_from_pem(block("PRIVATE KEY") + block("CERTIFICATE") + "text\n" + block("CERTIFICATE"));
  REQUIRE(chain);
  CHECK(*chain == std::vector<Bytes>(2, Bytes{0, 1, 2}));
  CHECK(chain_error("text") == "tls: failed to find any PEM data in certificate input");
  CHECK(
      chain_error(block("EC PRIVATE KEY")) ==
      "tls: failed to find certificate PEM data in certificate input, but did find a private key; PEM inputs may have "
      "been switched");
  CHECK(chain_error(block("EC PARAMETERS") + block("X")) ==
        "tls: failed to find \"CERTIFICATE\" PEM block in certificate input after skipping PEM blocks of the following "
        "types: [EC PARAMETERS X]");
}

TEST_CASE("The first private key of a PEM file, of any format") {
  for (const std::string type : {"PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY"}) {
    auto found = private_key_block_from_pem(block("EC PARAMETERS") + block(type));
    REQUIRE(found);
    CHECK(found->type == type);
  }
  CHECK(key_error("") == "tls: failed to find any PEM data in key input");
  CHECK(key_error(block("CERTIFICATE")) == "tls: found a certificate rather than a key in the PEM for the private key");
  CHECK(
      key_error(block("X") + block("Y")) ==
      "tls: failed to find PEM block with type ending in \"PRIVATE KEY\" in key input after skipping PEM blocks of the "
      "following types: [X Y]");
}
