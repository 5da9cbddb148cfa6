#include <catch2/catch.hpp>

#include "attestation/node/x509pop/messages.h"

namespace steeple::attestation::x509pop {

using runtime::as_bytes;
using runtime::as_text;
using runtime::Bytes;
using runtime::ErrorCode;

TEST_CASE("x509pop attestation data is written as Go writes it") {
  CHECK(as_text(format_attestation_data({{{1, 2, 3}, {255}}})) == R"({"certificates":["AQID","/w=="]})");
  CHECK(as_text(format_attestation_data({})) == R"({"certificates":null})");
}

TEST_CASE("x509pop attestation data is read back, with what Go lets pass") {
  AttestationData data{{{1, 2, 3}, {255}}};
  CHECK(parse_attestation_data(format_attestation_data(data)).value() == data);
  CHECK(parse_attestation_data(as_bytes(R"({"other":[{}],"CERTIFICATES":["AQID"]})")).value().certificates.size() == 1);
  CHECK(parse_attestation_data(as_bytes("{}")).value().certificates.empty());
  CHECK(parse_attestation_data(as_bytes("null")).value().certificates.empty());
  CHECK(parse_attestation_data(as_bytes(R"({"certificates":["AQ=="],"certificates":["Ag=="]})")).value() ==
        AttestationData{{{2}}});
}

TEST_CASE("x509pop attestation data that is altered or truncated is refused") {
  for (const char* bad : {"", "{", "[]", "7", R"({"certificates":7})", R"({"certificates":["AQ=="]} x)",
                          R"({"certificates":["A"]})", R"({"certificates":[7]})", R"({"certificates":["AQ==")"}) {
    INFO(bad);
    auto parsed = parse_attestation_data(as_bytes(bad));
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().code() == ErrorCode::kMalformed);
  }
  std::string many = R"({"certificates":["AQ==")";
  for (std::size_t i = 0; i < kCertificatesMax; ++i) many += R"(,"AQ==")";
  CHECK(parse_attestation_data(as_bytes(many + "]}")).error().code() == ErrorCode::kLimit);
  CHECK(parse_attestation_data(Bytes(kMessageBytesMax + 1, ' ')).error().code() == ErrorCode::kLimit);
}

TEST_CASE("x509pop challenges are written and read as Go does") {
  Challenge rsa;
  rsa.rsa_nonce = Bytes{1, 2, 3};
  CHECK(as_text(format_challenge(rsa)) == R"({"rsa_signature":{"nonce":"AQID"},"ecdsa_signature":null})");
  CHECK(parse_challenge(format_challenge(rsa)).value() == rsa);
  Challenge ecdsa;
  ecdsa.ecdsa_nonce = Bytes{9};
  CHECK(parse_challenge(as_bytes(R"({"ECDSA_signature":{"Nonce":"CQ=="}})")).value() == ecdsa);
  CHECK(parse_challenge(as_bytes(R"({"rsa_signature":{}})")).value().rsa_nonce == Bytes());
  CHECK_FALSE(parse_challenge(as_bytes(R"({"rsa_signature":"AQID"})")));
  CHECK_FALSE(parse_challenge(as_bytes(R"({"rsa_signature":{"nonce":"AQI"}})")));
}

TEST_CASE("x509pop responses are written and read as Go does") {
  Response rsa;
  rsa.rsa = RsaResponse{{1}, {2, 3}};
  CHECK(as_text(format_response(rsa)) ==
        R"({"rsa_signature":{"nonce":"AQ==","signature":"AgM="},"ecdsa_signature":null})");
  CHECK(parse_response(format_response(rsa)).value() == rsa);
  Response ecdsa;
  ecdsa.ecdsa = EcdsaResponse{{1}, {2}, {3}};
  CHECK(as_text(format_response(ecdsa)) ==
        R"({"rsa_signature":null,"ecdsa_signature":{"nonce":"AQ==","r":"Ag==","s":"Aw=="}})");
  CHECK(parse_response(format_response(ecdsa)).value() == ecdsa);
  CHECK(parse_response(as_bytes("{}")).value() == Response());
  CHECK_FALSE(parse_response(as_bytes(R"({"ecdsa_signature":{"r":5}})")));
}

}  // namespace steeple::attestation::x509pop
