#include <catch2/catch.hpp>

#include "attestation/node/x509pop/proof.h"
#include "tests/unit/attestation/node/x509pop_files.h"

namespace steeple::attestation::x509pop {

namespace {

struct Pair {
  const char* leaf;
  const char* key;
};
constexpr Pair kPairs[] = {{"rsa-leaf.pem", "rsa-key.pem"},         {"rsa-leaf.pem", "rsa-key-pkcs1.pem"},
                           {"rsa3072-leaf.pem", "rsa3072-key.pem"}, {"ec-leaf.pem", "ec-key.pem"},
                           {"ec-leaf.pem", "ec-key-sec1.pem"},      {"p521-leaf.pem", "p521-key.pem"},
                           {"serial-zero.pem", "ec-key.pem"}};

std::string text_of(const runtime::Result<void>& result) { return result ? "" : result.error().message(); }

}  // namespace

TEST_CASE("x509pop proves possession with every kind of key the operator may have") {
  for (const Pair& pair : kPairs) {
    INFO(pair.key);
    runtime::Bytes leaf = pop_certificate(pair.leaf);
    ProofKey key = ProofKey::from_pem(pop_text(pair.key)).value();
    CHECK(holds_public_key(leaf, key));
    Challenge challenge = make_challenge(leaf).value();
    Response response = key.answer(challenge).value();
    CHECK(text_of(verify_response(leaf, challenge, response)).empty());
    CHECK(key.answer(challenge).value() != response);  // the nonce is new each time
  }
}

TEST_CASE("x509pop refuses an altered response, and a response to another challenge") {
  for (const Pair& pair : kPairs) {
    INFO(pair.key);
    runtime::Bytes leaf = pop_certificate(pair.leaf);
    ProofKey key = ProofKey::from_pem(pop_text(pair.key)).value();
    Challenge challenge = make_challenge(leaf).value();
    Response response = key.answer(challenge).value();
    std::string failure = response.rsa ? "RSA signature verify failed" : "ECDSA signature verify failed";

    Challenge other = make_challenge(leaf).value();
    CHECK(text_of(verify_response(leaf, other, response)) == failure);
    Response altered = response;
    (altered.rsa ? altered.rsa->signature : altered.ecdsa->s).back() ^= 1;
    CHECK(text_of(verify_response(leaf, challenge, altered)) == failure);
    Response truncated = response;
    (truncated.rsa ? truncated.rsa->signature : truncated.ecdsa->r).pop_back();
    CHECK(text_of(verify_response(leaf, challenge, truncated)) == failure);
    Response empty = response;
    (empty.rsa ? empty.rsa->signature : empty.ecdsa->r).clear();
    CHECK(text_of(verify_response(leaf, challenge, empty)) == failure);
    Response short_nonce = response;
    (short_nonce.rsa ? short_nonce.rsa->nonce : short_nonce.ecdsa->nonce).pop_back();
    CHECK(text_of(verify_response(leaf, challenge, short_nonce)) == "invalid response nonce");
  }
}

TEST_CASE("x509pop tells apart the two kinds of challenge") {
  ProofKey rsa = ProofKey::from_pem(pop_text("rsa-key.pem")).value();
  ProofKey ec = ProofKey::from_pem(pop_text("ec-key.pem")).value();
  Challenge for_rsa = make_challenge(pop_certificate("rsa-leaf.pem")).value();
  Challenge for_ec = make_challenge(pop_certificate("ec-leaf.pem")).value();
  CHECK(for_rsa.rsa_nonce->size() == kNonceBytes);
  CHECK_FALSE(for_rsa.ecdsa_nonce);
  CHECK(rsa.answer(for_ec).error().message() == "expecting RSA challenge");
  CHECK(ec.answer(for_rsa).error().message() == "expecting ECDSA challenge");
  for_ec.ecdsa_nonce->pop_back();
  CHECK(ec.answer(for_ec).error().message() == "invalid challenge nonce");
  CHECK(text_of(verify_response(pop_certificate("rsa-leaf.pem"), for_rsa, Response())) == "expecting RSA response");
}

TEST_CASE("x509pop makes no challenge for a certificate that may not sign") {
  CHECK(make_challenge(pop_certificate("no-digital-signature.pem")).error().message() ==
        "certificate not intended for digital signature use");
  CHECK(make_challenge(pop_certificate("root.pem")).error().message() ==
        "certificate not intended for digital signature use");
  CHECK_FALSE(make_challenge(runtime::Bytes{1, 2, 3}));
  CHECK(make_challenge(pop_certificate("ed25519-leaf.pem")).error().message() ==
        "unsupported public key type ed25519.PublicKey");
  Challenge challenge = make_challenge(pop_certificate("ec-leaf.pem")).value();
  CHECK(ProofKey::from_pem(pop_text("ed25519-key.pem")).value().answer(challenge).error().message() ==
        "unsupported private key type ed25519.PrivateKey");
}

TEST_CASE("x509pop reads a key the way Go does") {
  CHECK(ProofKey::from_pem(pop_text("ec-leaf.pem") + pop_text("ec-key.pem")));
  CHECK(ProofKey::from_pem("nothing").error().message() == "tls: failed to find any PEM data in key input");
  CHECK(ProofKey::from_pem(pop_text("ec-leaf.pem")).error().message() ==
        "tls: found a certificate rather than a key in the PEM for the private key");
  CHECK(ProofKey::from_pem("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n").error().message() ==
        "tls: failed to parse private key");
}

}  // namespace steeple::attestation::x509pop
