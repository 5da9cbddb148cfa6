// The parts of a verification by themselves: names of a certificate, timestamps, envelopes, receipts, identities.
#include "attestation/sigstore/certificate_timestamp.h"
#include "attestation/sigstore/claims.h"
#include "attestation/sigstore/envelope.h"
#include "attestation/sigstore/identities.h"
#include "attestation/sigstore/key_signature.h"
#include "attestation/sigstore/layer_parts.h"
#include "attestation/sigstore/log_receipt.h"
#include "attestation/sigstore/logged_signature.h"
#include "tests/unit/attestation/sigstore/signature_cases.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using Catch::Matchers::Contains;

namespace {

SignerCertificate signer_of(const SignatureCase& one) {
  Result<LayerParts> parts = read_layer(one.layer);
  REQUIRE(parts);
  Result<SignerCertificate> signer = read_signer_certificate(*parts->certificate);
  REQUIRE(signer);
  return *signer;
}

std::string message_of(const Result<void>& result) { return result ? "" : result.error().message(); }

std::string base64(std::string_view text) { return base64_encode(as_bytes(text)); }

}  // namespace

TEST_CASE("names of a certificate are read as cosign shows them") {
  SignatureCases cases;
  using Names = std::vector<std::string>;
  CHECK(signer_of(cases.named("second subject counts")).subjects ==
        Names{"https://other.example", "https://ci.example/build"});
  CHECK(signer_of(cases.named("subject ip:2001:db8::7")).subjects == Names{"2001:db8::7"});
  CHECK(signer_of(cases.named("subject other:dev!example")).subjects == Names{"dev!example"});
  CHECK(signer_of(cases.named("two names of users")).subjects.empty());
  CHECK(signer_of(cases.named("signature")).issuer == "https://issuer.example");
  CHECK_FALSE(signer_of(cases.named("no issuer")).issuer);
}

TEST_CASE("a precertificate is the certificate without its timestamps, and is what logs have signed") {
  SignatureCases cases;
  SignatureCase one = cases.named("timestamp with extensions");
  SignerCertificate signer = signer_of(one);
  REQUIRE(signer.sct_list);
  auto timestamps = parse_certificate_timestamps(*signer.sct_list);
  REQUIRE(timestamps);
  REQUIRE(timestamps->size() == 1);
  CHECK(timestamps->front().log_id == one.trust.ct_log_keys[0].id);
  CHECK(to_text(timestamps->front().extensions) == "later");
  Bytes signed_bytes = timestamped_bytes(timestamps->front(), Bytes{0x30, 0x00}, Bytes{});
  CHECK(signed_bytes.size() == 2 + 8 + 2 + 32 + 3 + 2 + 2 + 5);
  CHECK_FALSE(signer_of(cases.named("no timestamp")).sct_list);
  CHECK(signer_of(cases.named("no timestamp")).precertificate.empty());
}

TEST_CASE("a list of timestamps that ends anywhere else is malformed") {
  SignatureCases cases;
  Bytes whole = *signer_of(cases.named("two CT logs")).sct_list;
  REQUIRE(parse_certificate_timestamps(whole)->size() == 2);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CAPTURE(size);
    CHECK_FALSE(parse_certificate_timestamps(BytesView(whole).first(size)));
  }
  whole.push_back(0);
  CHECK_FALSE(parse_certificate_timestamps(whole));
}

TEST_CASE("a CT log signs with SHA-256 and P-256, or RSA of 2048 bits") {
  SignatureCases cases;
  SignatureCase one = cases.named("signature");
  SignerCertificate signer = signer_of(one);
  Certificate issuer = *Certificate::parse(one.trust.fulcio_intermediates[0]);
  std::vector<LogKey> logs = one.trust.ct_log_keys;
  Result<bool> verified = verify_certificate_timestamps(signer, issuer.public_key(), logs);
  REQUIRE(verified);
  CHECK_FALSE(*verified);
  // The right id with another key, of a curve that CT does not know.
  logs[0].spki = to_bytes(issuer.public_key());
  CHECK_FALSE(verify_certificate_timestamps(signer, issuer.public_key(), logs));
  CHECK_THAT(verify_certificate_timestamps(signer, issuer.public_key(), {}).error().message(),
             Contains("none of the CTFE keys have been found"));
  // Another issuer of the same name would have another key.
  CHECK_FALSE(verify_certificate_timestamps(signer, signer.certificate.public_key(), one.trust.ct_log_keys));
}

TEST_CASE("what an envelope signs is its type and payload with their lengths") {
  // The example of the DSSE protocol.
  CHECK(to_text(pre_authentication_encoding("http://example.com/HelloWorld", as_bytes("hello world"))) ==
        "DSSEv1 29 http://example.com/HelloWorld 11 hello world");
}

TEST_CASE("an envelope without one of its parts is refused") {
  const std::string type = R"("payloadType":"application/vnd.in-toto+json")";
  CHECK(parse_envelope("{" + type + R"(,"payload":"e30=","signatures":[{"sig":"AA=="}]})"));
  CHECK_FALSE(parse_envelope("{" + type + R"(,"payload":"e30=","signatures":[{"keyid":"a"}]})"));
  CHECK_FALSE(parse_envelope("{" + type + R"(,"signatures":[{"sig":"AA=="}]})"));
  CHECK_FALSE(parse_envelope(R"({"payload":"e30=","signatures":[{"sig":"AA=="}]})"));
  CHECK_FALSE(parse_envelope("{" + type + R"(,"payload":"e30=","signatures":[{"sig":"AA=="}]} x)"));
  CHECK_FALSE(parse_envelope("{" + type + R"(,"payload":"-+==","signatures":[{"sig":"AA=="}]})"));
}

TEST_CASE("a foreign text is cut where an error shows it") {
  std::string type(100'000, 'x');
  auto refused = parse_envelope(R"({"payloadType":")" + type + R"("})");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message().size() < 300);
}

TEST_CASE("claims name the image's digest") {
  CHECK(message_of(check_signed_digest(R"({"critical":{"image":{"docker-manifest-digest":"sha256:1"}}})", "sha256:1"))
            .empty());
  CHECK_FALSE(check_signed_digest(R"({"critical":{"image":{"docker-manifest-digest":""}}})", ""));
  CHECK_FALSE(check_signed_digest(R"({"optional":{"image":{"docker-manifest-digest":"sha256:1"}}})", "sha256:1"));
  CHECK(check_statement_subject(R"({"subject":[{"digest":{"sha512":"1"}},{"digest":{"sha256":"1"}}]})", "sha256:1"));
  CHECK_FALSE(check_statement_subject(R"({"subject":[{"digest":{"sha512":"1"}}]})", "sha256:1"));
  CHECK_FALSE(check_statement_subject(R"({"subject":[{"digest":{"sha256":"1"}}]})", "sha512:1"));
  CHECK_FALSE(check_statement_subject(R"({"subject":[{"digest":{"sha256":""}}]})", "sha256:"));
  std::string many = R"({"subject":[{})";
  for (std::size_t i = 0; i < kStatementSubjectsMax; ++i) many += ",{}";
  auto refused = check_statement_subject(many + "]}", "sha256:1");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kLimit);
}

TEST_CASE("a bundle's numbers are whole and in range") {
  auto bundle = [](const std::string& time, const std::string& index) {
    return R"({"SignedEntryTimestamp":"AA==","Payload":{"body":"e30=","integratedTime":)" + time + R"(,"logIndex":)" +
           index + R"(,"logID":"00"}})";
  };
  auto entry = parse_rekor_bundle(bundle("8000000000", "9007199254740991"));
  REQUIRE(entry);
  CHECK(entry->log_index == kLogIndexMax);
  CHECK_FALSE(parse_rekor_bundle(bundle("8000000001", "1")));
  CHECK_FALSE(parse_rekor_bundle(bundle("1", "9007199254740992")));
  CHECK_FALSE(parse_rekor_bundle(bundle("-1", "1")));
  CHECK_FALSE(parse_rekor_bundle(bundle("1.5", "1")));
  CHECK_FALSE(parse_rekor_bundle(bundle("1", "\"1\"")));
  CHECK_FALSE(parse_rekor_bundle(R"({"SignedEntryTimestamp":"AA=="})"));
}

TEST_CASE("an entry's texts do not reach into the JSON that is signed") {
  SignatureCases cases;
  SignatureCase one = cases.named("signature");
  RekorEntry entry = *read_layer(one.layer)->bundle;
  REQUIRE(verify_signed_entry(entry, one.trust.rekor_keys));
  entry.body += R"(","logIndex":1,"x":")";
  CHECK_FALSE(verify_signed_entry(entry, one.trust.rekor_keys));
}

TEST_CASE("entries of every kind tell signature, key and hash") {
  auto parsed = [](const std::string& body) { return parse_logged_signature(base64(body)); };
  const std::string hash = R"({"algorithm":"sha256","value":"00"})";
  auto first =
      parsed(R"({"kind":"intoto","apiVersion":"0.0.1","spec":{"publicKey":"a2V5","content":{"hash":)" + hash + "}}}");
  REQUIRE(first);
  CHECK_FALSE(first->signature);
  CHECK(first->key == "key");
  CHECK(first->hash == "00");
  auto second = parsed(
      R"({"kind":"intoto","apiVersion":"0.0.2","spec":{"content":{"envelope":{"signatures":[{"sig":"c2ln","publicKey":"a2V5"}]},"hash":)" +
      hash + "}}}");
  REQUIRE(second);
  CHECK(second->signature == "c2ln");
  CHECK_FALSE(parsed(R"({"kind":"dsse","apiVersion":"0.0.1","spec":{"signatures":[],"envelopeHash":)" + hash + "}}"));
  CHECK_FALSE(
      parsed(R"({"kind":"dsse","apiVersion":"0.0.1","spec":{"signatures":[{"verifier":"a2V5"}],"envelopeHash":)" +
             hash + "}}"));
  CHECK_FALSE(parsed(R"({"kind":"dsse","apiVersion":"0.0.2","spec":{}})"));
  CHECK_FALSE(parsed(R"({"kind":"dsse"})"));
}

TEST_CASE("patterns are found anywhere, everything else is exact") {
  auto check = [](const std::string& issuer, const std::string& subject) {
    return message_of(AllowedIdentities::make({{issuer, {subject}}}).check({"dev@example.com"}, "https://issuer"));
  };
  CHECK(check("https://issuer", "dev@example.com").empty());
  CHECK(check("issuer$", ".*@example[.]com").empty());
  CHECK_FALSE(check("issuer", "dev@example.com").empty());
  CHECK_FALSE(check("https://issuer", "dev@example").empty());
  CHECK_FALSE(check("https://issuer", "^example").empty());
  CHECK_THAT(check("https://issuer", "a**"), Contains("malformed subject in identity: a** : error parsing regexp"));
}

TEST_CASE("an identity with a subject asks for one, an empty one does not") {
  CHECK(AllowedIdentities::make({{"i", {""}}}).check({}, "i"));
  CHECK_FALSE(AllowedIdentities::make({{"i", {"a"}}}).check({}, "i"));
  CHECK_FALSE(AllowedIdentities::make({{"i", {".*"}}}).check({}, "i"));
}

TEST_CASE("a pattern that would need too much memory is refused") {
  auto checked = AllowedIdentities::make({{"i", {"((a{100}){100}){100}"}}}).check({"a"}, "i");
  REQUIRE_FALSE(checked);
  CHECK_THAT(checked.error().message(), Contains("malformed subject in identity"));
  checked = AllowedIdentities::make({{"i", {"\\pL{1000}"}}}).check({"a"}, "i");
  REQUIRE_FALSE(checked);
  CHECK_THAT(checked.error().message(), Contains("pattern too large"));
}

TEST_CASE("keys that sigstore does not load are refused") {
  CHECK_FALSE(check_signing_key(Bytes{}));
  CHECK_FALSE(check_signing_key(Bytes{0x30, 0x00}));
  // RFC 8410's X25519 example: a key, but not for signatures.
  Bytes x25519 = *base64_decode("MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=");
  CHECK(message_of(check_signing_key(x25519)) == "unsupported public key type");
  CHECK_FALSE(verify_key_signature(x25519, as_bytes("message"), as_bytes("signature")));
}
