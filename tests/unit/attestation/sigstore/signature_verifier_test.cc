// Whole signatures and attestations, against the recorded cases; cosign's verdict on each is in their file.
#include "attestation/sigstore/signature_verifier.h"

#include "tests/unit/attestation/sigstore/signature_cases.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using Catch::Matchers::Contains;
using std::chrono_literals::operator""s;

TEST_CASE("every recorded signature and attestation gets its verdict") {
  SignatureCases cases;
  std::vector<SignatureCase> all = cases.all();
  REQUIRE(all.size() > 130);
  for (const SignatureCase& one : all) {
    CAPTURE(one.name);
    Result<VerifiedSignature> verified = one.verify();
    if (one.error.empty()) {
      CHECK((verified ? "" : verified.error().message()) == "");
    } else {
      CHECK_THAT(verified ? "verified" : verified.error().message(), Contains(one.error));
    }
  }
}

TEST_CASE("a verified signature tells who has signed and where it was logged") {
  SignatureCases cases;
  SignatureCase one = cases.named("signature");
  Result<VerifiedSignature> verified = one.verify();
  REQUIRE(verified);
  CHECK(verified->subject == "https://ci.example/build");
  CHECK(verified->issuer == "https://issuer.example");
  CHECK(verified->signature == one.layer.annotations[kSignatureAnnotation]);
  REQUIRE(verified->entry);
  CHECK(verified->entry->log_id == one.trust.rekor_keys[0].id);
  CHECK(verified->entry->integrated_time == 1768435205);
  CHECK(verified->notes.empty());
}

TEST_CASE("what a search has found stands in for a bundle") {
  SignatureCases cases;
  SignatureCase one = cases.named("found in the log");
  auto verifier = SignatureVerifier::make(one.config, one.trust);
  REQUIRE(verifier);
  CHECK(verifier->needs_entry(one.layer));
  Result<VerifiedSignature> verified = one.verify();
  REQUIRE(verified);
  REQUIRE(verified->entry);
  CHECK(verified->entry->log_index == one.found->log_index);
  CHECK_FALSE(verifier->needs_entry(cases.named("signature").layer));
  one.config.ignore_tlog = true;
  CHECK_FALSE(SignatureVerifier::make(one.config, one.trust)->needs_entry(one.layer));
}

TEST_CASE("a layer's own bundle counts, whatever the search says") {
  SignatureCases cases;
  SignatureCase one = cases.named("entry of another log");
  one.found = cases.named("found in the log").found;
  CHECK_FALSE(one.verify());
}

TEST_CASE("a signature that ignores the log has no entry, and an attestation no names") {
  SignatureCases cases;
  Result<VerifiedSignature> ignored = cases.named("log ignored").verify();
  REQUIRE(ignored);
  CHECK_FALSE(ignored->entry);
  CHECK(ignored->subject == "https://ci.example/build");
  Result<VerifiedSignature> attestation = cases.named("attestation, dsse entry").verify();
  REQUIRE(attestation);
  CHECK(attestation->subject.empty());
  CHECK(attestation->signature.empty());
}

TEST_CASE("retired keys are noted, one for each log") {
  SignatureCases cases;
  Result<VerifiedSignature> verified = cases.named("retired Rekor key").verify();
  REQUIRE(verified);
  CHECK(verified->notes ==
        std::vector<std::string>{"Successfully verified Rekor entry using an expired verification key",
                                 "Successfully verified embedded SCT using an expired verification key"});
}

TEST_CASE("a certificate counts until its last second, by the clock too") {
  SignatureCases cases;
  SignatureCase one = cases.named("log ignored, certificate expired");
  CHECK_FALSE(one.verify());
  one.now -= 1s;
  CHECK(one.verify());
}

TEST_CASE("white space around certificates is passed over, anything else is not") {
  SignatureCases cases;
  SignatureCase one = cases.named("signature");
  std::string& certificate = one.layer.annotations[kCertificateAnnotation];
  std::string& chain = one.layer.annotations[kChainAnnotation];
  SECTION("white space") {
    certificate = " \n\n  " + certificate + "\r\n\n ";
    chain = " \n";
    CHECK(one.verify());
  }
  SECTION("no line end at the end") {
    certificate.pop_back();
    CHECK(one.verify());
  }
  SECTION("text before") {
    certificate = "Signer:\n" + certificate;
    CHECK(one.verify());
  }
  SECTION("text behind") {
    certificate += "x";
    CHECK(one.verify().error().message() == "error during PEM decoding");
  }
  SECTION("text behind on the same line") {
    certificate.insert(certificate.size() - 1, "x");
    CHECK_FALSE(one.verify());
  }
  SECTION("text behind the chain") {
    chain += "-----";
    CHECK(one.verify().error().message() == "error during PEM decoding");
  }
}

TEST_CASE("what is too large is refused before it is read") {
  SignatureCases cases;
  SignatureCase one = cases.named("signature");
  SECTION("payload") { one.layer.payload.assign(kSignedPayloadBytesMax + 1, ' '); }
  SECTION("bundle") { one.layer.annotations[kBundleAnnotation].append(kAnnotationBytesMax, ' '); }
  SECTION("certificate") { one.layer.annotations[kCertificateAnnotation].append(kAnnotationBytesMax, ' '); }
  SECTION("chain") { one.layer.annotations[kChainAnnotation].assign(kAnnotationBytesMax + 1, ' '); }
  SECTION("signature") { one.layer.annotations[kSignatureAnnotation].append(kAnnotationBytesMax, '\n'); }
  Result<VerifiedSignature> verified = one.verify();
  REQUIRE_FALSE(verified);
  CHECK(verified.error().code() == ErrorCode::kLimit);
}

TEST_CASE("trust material that cannot be read is told at once") {
  TrustMaterial trust;
  SECTION("root") { trust.fulcio_roots = {{0x30, 0x00}}; }
  SECTION("intermediate") { trust.fulcio_intermediates = {{0x30, 0x00}}; }
  CHECK_FALSE(SignatureVerifier::make({}, trust));
}

TEST_CASE("selectors come in SPIRE's order, one group for each signature") {
  RekorEntry entry{"body", 1768435205, 12, "c0d2", "c2V0"};
  std::vector<VerifiedSignature> signatures{{"https://ci.example", "https://issuer", "c2ln", entry, {}},
                                            {"dev@example.com", "https://issuer", "c2lnMg==", std::nullopt, {}}};
  CHECK(SignatureVerifier::selectors(signatures, true) ==
        std::vector<std::string>{
            "image-signature:verified", "image-attestations:verified", "image-signature-subject:https://ci.example",
            "image-signature-issuer:https://issuer", "image-signature-value:c2ln", "image-signature-log-id:c0d2",
            "image-signature-log-index:12", "image-signature-integrated-time:1768435205",
            "image-signature-signed-entry-timestamp:c2V0", "image-signature-subject:dev@example.com",
            "image-signature-issuer:https://issuer", "image-signature-value:c2lnMg=="});
  CHECK(SignatureVerifier::selectors({}, false) == std::vector<std::string>{"image-signature:verified"});
}
