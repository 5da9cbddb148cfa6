#include <catch2/catch.hpp>

#include "attestation/node/table.h"
#include "tests/unit/attestation/node/x509pop_files.h"

namespace steeple::attestation {

using runtime::ErrorCode;
using x509pop::pop_config;
using x509pop::pop_path;

namespace {

std::string refusal(X509PopConfig config) {
  auto made = make_node_attestor(std::move(config));
  if (made) return "made";
  CHECK(made.error().code() == ErrorCode::kInvalidArgument);
  return made.error().message();
}

}  // namespace

TEST_CASE("The table of node attestors names what is built in") {
  CHECK(is_built_in_node_attestor("join_token"));
  CHECK(is_built_in_node_attestor("k8s_psat"));
  CHECK(is_built_in_node_attestor("k8s_sat"));
  CHECK(is_built_in_node_attestor("x509pop"));
  CHECK_FALSE(is_built_in_node_attestor("tpm_devid"));
  CHECK_FALSE(is_built_in_node_attestor(""));
}

TEST_CASE("join_token sends the token and nothing else") {
  JoinTokenConfig config(runtime::SecretBytes(runtime::as_bytes("the-token")));
  auto attestor = make_node_attestor(std::move(config)).value();
  CHECK(attestor->name() == "join_token");
  for (int attempt = 0; attempt < 2; ++attempt) {
    NodeEvidence evidence = attestor->evidence().value();
    CHECK(evidence.type() == "join_token");
    CHECK(runtime::as_text(evidence.payload()) == "the-token");
  }
  auto answer = attestor->answer(runtime::as_bytes("prove it"));
  CHECK(answer.error().message() == "server issued unexpected challenge");
  CHECK(answer.error().code() == ErrorCode::kInternal);
}

TEST_CASE("join_token without a token is configured, and fails at each attestation") {
  auto attestor = make_node_attestor(JoinTokenConfig()).value();
  CHECK(attestor->evidence().error().message() == "join token was not provided");
  CHECK(attestor->evidence().error().code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("x509pop answers one challenge per exchange with the key of its files") {
  auto attestor = make_node_attestor(pop_config("rsa-key.pem", "rsa-chain.pem")).value();
  NodeEvidence evidence = attestor->evidence().value();
  CHECK(evidence.type() == "x509pop");
  auto data = x509pop::parse_attestation_data(evidence.payload()).value();
  REQUIRE(data.certificates.size() == 2);
  auto challenge = x509pop::make_challenge(data.certificates[0]).value();
  auto answer = attestor->answer(x509pop::format_challenge(challenge)).value();
  CHECK(x509pop::verify_response(data.certificates[0], challenge, x509pop::parse_response(answer).value()));
  CHECK_FALSE(attestor->answer(x509pop::format_challenge(challenge)));
}

TEST_CASE("x509pop tells what is wrong with a challenge") {
  auto attestor = make_node_attestor(pop_config("ec-key.pem", "ec-leaf.pem")).value();
  REQUIRE(attestor->evidence());
  auto garbage = attestor->answer(runtime::as_bytes("{"));
  CHECK(garbage.error().code() == ErrorCode::kInternal);
  CHECK(garbage.error().message().starts_with("unable to unmarshal challenge: "));
  REQUIRE(attestor->evidence());
  CHECK(attestor->answer(runtime::as_bytes("{}")).error().message() ==
        "failed to calculate challenge response: expecting ECDSA challenge");
}

TEST_CASE("x509pop appends the intermediates of their own file") {
  X509PopConfig config = pop_config("rsa-key.pem", "rsa-leaf.pem");
  config.intermediates_path = pop_path("intermediate.pem");
  auto attestor = make_node_attestor(config).value();
  auto data = x509pop::parse_attestation_data(attestor->evidence().value().payload()).value();
  CHECK(data.certificates.size() == 2);
  CHECK(data.certificates[1] == x509pop::pop_certificate("intermediate.pem"));
  config.intermediates_path = "  ";
  CHECK(make_node_attestor(config));
}

TEST_CASE("x509pop refuses a wrong configuration in the words of the SPIRE agent") {
  CHECK(refusal({}) == "private_key_path is required");
  CHECK(refusal({"/nokey", "", "", ""}) == "certificate_path is required");
  CHECK(refusal({"/nokey", "/nocert", "", ""}) == "unable to load keypair: open /nocert: no such file or directory");
  CHECK(refusal({"/nokey", pop_path("ec-leaf.pem"), "", ""}) ==
        "unable to load keypair: open /nokey: no such file or directory");
  CHECK(refusal(pop_config("rsa-key.pem", "ec-leaf.pem")) ==
        "unable to load keypair: tls: private key does not match public key");
  CHECK(refusal(pop_config("ec-key.pem", "ec-key.pem"))
            .starts_with("unable to load keypair: tls: failed to find certificate PEM data in certificate input, but "
                         "did find a private key"));
  CHECK(refusal(pop_config("ec-key.pem", "exchanges.jsonl")) ==
        "unable to load keypair: tls: failed to find any PEM data in certificate input");
  X509PopConfig config = pop_config("ec-key.pem", "ec-leaf.pem");
  config.intermediates_path = "/none";
  CHECK(refusal(config) == "unable to load intermediate certificates: open /none: no such file or directory");
  config.intermediates_path = pop_path("ec-key.pem");
  CHECK(refusal(config) ==
        "unable to load intermediate certificates: expected block type \"CERTIFICATE\"; got \"PRIVATE KEY\"");
  config.spiffe_endpoint_socket = "/run/x.sock";
  CHECK(refusal(config) == "spiffe_endpoint_socket is not supported");
}

}  // namespace steeple::attestation
