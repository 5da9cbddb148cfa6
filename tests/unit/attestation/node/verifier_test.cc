#include <catch2/catch.hpp>

#include "attestation/node/table.h"
#include "attestation/node/x509pop/verifier.h"
#include "runtime/tls/encoding.h"
#include "tests/unit/attestation/node/x509pop_files.h"

namespace steeple::attestation::x509pop {

using runtime::ErrorCode;

namespace {

VerifierOptions options_with(std::initializer_list<const char*> roots) {
  VerifierOptions options;
  for (const char* root : roots) options.roots.push_back(pop_certificate(root));
  return options;
}

// A whole exchange between the agent's side and the server's.
runtime::Result<AgentFacts> exchange(const VerifierOptions& options, const std::string& key, const std::string& chain) {
  auto attestor = make_node_attestor(pop_config(key, chain)).value();
  Verifier verifier(options);
  STEEPLE_TRY(evidence, attestor->evidence());
  STEEPLE_TRY(challenge, verifier.begin(evidence.payload(), "example.org", pop_now()));
  STEEPLE_TRY(answer, attestor->answer(challenge));
  return verifier.finish(answer);
}

std::string fingerprint_of(const std::string& name) {
  auto digest = runtime::sha1(pop_certificate(name));
  return runtime::to_hex(runtime::BytesView(digest.data(), digest.size()));
}

runtime::Bytes payload_of(std::vector<runtime::Bytes> certificates) {
  return format_attestation_data({std::move(certificates)});
}

}  // namespace

TEST_CASE("The x509pop verifier says who the agent is") {
  AgentFacts facts = exchange(options_with({"other-root.pem", "root.pem"}), "rsa-key.pem", "rsa-chain.pem").value();
  CHECK(facts.path == "/x509pop/" + fingerprint_of("rsa-leaf.pem"));
  CHECK(facts.selectors ==
        std::vector<std::string>{"subject:cn:node one", "ca:fingerprint:" + fingerprint_of("intermediate.pem"),
                                 "ca:fingerprint:" + fingerprint_of("root.pem"), "serialnumber:0a1b2c3d4e5f",
                                 "san:datacenter:us-east-1", "san:key:path/to/value"});
}

TEST_CASE("The x509pop verifier accepts odd but valid certificates") {
  VerifierOptions options = options_with({"root.pem"});
  AgentFacts plain = exchange(options, "ec-key.pem", "ec-leaf.pem").value();  // no SAN, no subject, notBefore in year 1
  CHECK(plain.selectors == std::vector<std::string>{"ca:fingerprint:" + fingerprint_of("root.pem"), "serialnumber:07"});
  AgentFacts zero = exchange(options, "ec-key.pem", "serial-zero.pem").value();
  CHECK(zero.selectors.back() == "serialnumber:00");
  CHECK(exchange(options, "p521-key.pem", "p521-leaf.pem"));
  CHECK(exchange(options, "rsa3072-key.pem", "rsa3072-leaf.pem"));
}

TEST_CASE("The x509pop verifier refuses a chain that it does not trust") {
  auto stranger = exchange(options_with({"other-root.pem"}), "rsa-key.pem", "rsa-chain.pem");
  CHECK(stranger.error().code() == ErrorCode::kDenied);
  CHECK(stranger.error().message() == "certificate verification failed: x509: certificate signed by unknown authority");
  auto cut = exchange(options_with({"root.pem"}), "rsa-key.pem", "rsa-leaf.pem");
  CHECK(cut.error().message().starts_with("certificate verification failed: "));
  auto old = exchange(options_with({"root.pem"}), "ec-key.pem", "expired.pem");
  CHECK(old.error().message().starts_with("certificate verification failed: x509: certificate has expired"));
  CHECK(exchange(options_with({}), "ec-key.pem", "ec-leaf.pem").error().code() == ErrorCode::kDenied);
}

TEST_CASE("The x509pop verifier limits what a stranger may send") {
  VerifierOptions options = options_with({"root.pem"});
  Verifier verifier(options);
  auto refusal = [&](runtime::Bytes payload) {
    auto begun = verifier.begin(payload, "example.org", pop_now());
    REQUIRE_FALSE(begun);
    CHECK(begun.error().code() == ErrorCode::kInvalidArgument);
    return begun.error().message();
  };
  runtime::Bytes leaf = pop_certificate("ec-leaf.pem");
  CHECK(refusal(payload_of({})) == "no certificate to attest");
  CHECK(refusal(payload_of({leaf, leaf, leaf, leaf, leaf, leaf})) == "too many intermediate certificates");
  CHECK(refusal(payload_of({{1, 2}})).starts_with("unable to parse leaf certificate: "));
  CHECK(refusal(payload_of({leaf, {1, 2}})).starts_with("unable to parse intermediate certificate 0: "));
  CHECK(refusal(runtime::to_bytes(runtime::as_bytes("{"))).starts_with("failed to unmarshal data: "));
  options.rsa_key_bits_max = 2048;
  CHECK(refusal(payload_of({pop_certificate("rsa3072-leaf.pem")})) == "leaf certificate key size too large");
  CHECK(refusal(payload_of({leaf, pop_certificate("rsa3072-leaf.pem")})) ==
        "intermediate certificate 0 key size too large");
}

TEST_CASE("The x509pop verifier ends an exchange with the first answer") {
  VerifierOptions options = options_with({"root.pem"});
  Verifier verifier(options);
  CHECK(verifier.finish(runtime::as_bytes("{}")).error().code() == ErrorCode::kInternal);
  REQUIRE(verifier.begin(payload_of({pop_certificate("ec-leaf.pem")}), "example.org", pop_now()));
  auto wrong = verifier.finish(runtime::as_bytes("{}"));
  CHECK(wrong.error().code() == ErrorCode::kDenied);
  CHECK(wrong.error().message() == "challenge response verification failed: expecting ECDSA response");
  CHECK(verifier.finish(runtime::as_bytes("{}")).error().code() == ErrorCode::kInternal);
  auto unfit = verifier.begin(payload_of({pop_certificate("no-digital-signature.pem")}), "example.org", pop_now());
  CHECK(unfit.error().code() == ErrorCode::kInternal);
  CHECK(unfit.error().message() == "unable to generate challenge: certificate not intended for digital signature use");
}

}  // namespace steeple::attestation::x509pop
