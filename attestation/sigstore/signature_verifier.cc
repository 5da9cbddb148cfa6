#include "attestation/sigstore/signature_verifier.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "attestation/sigstore/certificate_timestamp.h"
#include "attestation/sigstore/claims.h"
#include "attestation/sigstore/envelope.h"
#include "attestation/sigstore/identities.h"
#include "attestation/sigstore/key_signature.h"
#include "attestation/sigstore/layer_parts.h"
#include "attestation/sigstore/log_receipt.h"
#include "attestation/sigstore/signer_certificate.h"
#include "runtime/core/go_text.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/find_chain.h"

namespace steeple::attestation {

using runtime::Bytes;
using runtime::Certificate;
using runtime::Certificates;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::WallTime;

namespace {

Error unauthentic(std::string text) { return Error(ErrorCode::kUnauthenticated, std::move(text)); }

Result<Certificates> parse_all(const std::vector<Bytes>& certificates, std::string_view what) {
  Certificates parsed;
  for (const Bytes& der : certificates) {
    STEEPLE_TRY(certificate, runtime::with_context(Certificate::parse(der), what));
    parsed.push_back(std::move(certificate));
  }
  return parsed;
}

Result<void> check_validity(const Certificate& certificate, std::string_view what, WallTime at) {
  if (certificate.not_after() < at) {
    return unauthentic(fmt::format("{} expired before observed time: {} is before {}", what,
                                   runtime::rfc3339(certificate.not_after()), runtime::rfc3339(at)));
  }
  if (certificate.not_before() > at) {
    return unauthentic(fmt::format("{} was issued after observed time: {} is after {}", what,
                                   runtime::rfc3339(certificate.not_before()), runtime::rfc3339(at)));
  }
  return {};
}

Result<void> check_expiry(const Certificates& chain, WallTime at) {
  STEEPLE_CHECK(check_validity(chain.front(), "certificate", at));
  for (std::size_t i = 1; i < chain.size(); ++i) {
    STEEPLE_CHECK(check_validity(chain[i], "issuing CA certificate", at));
  }
  return {};
}

// The names that selectors tell: SPIRE's words for a certificate that does not have them.
Result<void> take_names(const SignerCertificate& signer, VerifiedSignature& verified) {
  auto subject = std::find_if(signer.subjects.begin(), signer.subjects.end(),
                              [](const std::string& name) { return !name.empty(); });
  auto failed = [](std::string text) { return Error(ErrorCode::kFailedPrecondition, std::move(text)); };
  if (subject == signer.subjects.end()) {
    return failed(signer.subjects.empty()
                      ? "failed to extract subject from certificate: no subject found in certificate"
                      : "failed to extract subject from certificate: subject alternative names are present but all are "
                        "empty");
  }
  if (!signer.issuer || signer.issuer->empty()) {
    return failed(std::string("failed to extract issuer from certificate: ") +
                  (signer.issuer ? "OIDC issuer extension is present but empty"
                                 : "no OIDC issuer found in certificate extensions"));
  }
  verified.subject = *subject;
  verified.issuer = *signer.issuer;
  return {};
}

}  // namespace

struct SignatureVerifier::Impl {
  Certificates roots;
  Certificates intermediates;
  std::vector<LogKey> rekor_keys;
  std::vector<LogKey> ct_log_keys;
  AllowedIdentities identities;
  bool ignore_sct = false;
  bool ignore_tlog = false;

  // The signer's path to a root, its names and its log's timestamps; the path's times are not those of today.
  Result<Certificates> trust(const SignerCertificate& signer, VerifiedSignature& verified) const;
  Result<void> check_log(const LayerParts& parts, const SignedLayer& layer, const std::optional<RekorEntry>& found,
                         VerifiedSignature& verified) const;
  Result<void> check_time(const Certificates& chain, const VerifiedSignature& verified, WallTime now) const;

  // `check_payload` gets the signer's key.
  template <class CheckPayload>
  Result<VerifiedSignature> verify(const LayerParts& parts, const SignedLayer& layer,
                                   const std::optional<RekorEntry>& found, WallTime now,
                                   const SignerCertificate& signer, CheckPayload check_payload) const {
    VerifiedSignature verified;
    verified.signature = parts.signature;
    if (!ignore_tlog) STEEPLE_CHECK(check_log(parts, layer, found, verified));
    STEEPLE_TRY(chain, trust(signer, verified));
    STEEPLE_CHECK(check_payload(signer.certificate.public_key()));
    STEEPLE_CHECK(check_time(chain, verified, now));
    return verified;
  }
};

Result<Certificates> SignatureVerifier::Impl::trust(const SignerCertificate& signer,
                                                    VerifiedSignature& verified) const {
  STEEPLE_CHECK(runtime::with_context(check_signing_key(signer.certificate.public_key()),
                                      "invalid certificate found on signature"));
  // A signer's certificate lives for minutes: the path must have held when it was made, and at the time of signing.
  auto chain = runtime::find_chain(signer.certificate, intermediates, roots, signer.certificate.not_before());
  if (chain && !std::all_of(chain->begin(), chain->end(), may_sign_code)) {
    chain = Error(ErrorCode::kUntrusted, "x509: certificate specifies an incompatible key usage");
  }
  if (!chain) {
    return Error(
        chain.error().code(),
        fmt::format("cert verification failed: {}. Check your TUF root (see cosign initialize) or set a custom "
                    "root with env var SIGSTORE_ROOT_FILE",
                    chain.error().message()));
  }
  STEEPLE_CHECK(identities.check(signer.subjects, signer.issuer.value_or("")));
  if (ignore_sct) return chain;
  if (chain->size() < 2) {
    return unauthentic("certificate chain must contain at least a certificate and its issuer");
  }
  STEEPLE_TRY(retired, verify_certificate_timestamps(signer, (*chain)[1].public_key(), ct_log_keys));
  if (retired) verified.notes.emplace_back("Successfully verified embedded SCT using an expired verification key");
  return chain;
}

Result<void> SignatureVerifier::Impl::check_log(const LayerParts& parts, const SignedLayer& layer,
                                                const std::optional<RekorEntry>& found,
                                                VerifiedSignature& verified) const {
  const std::optional<RekorEntry>& entry = parts.bundle ? parts.bundle : found;
  if (!entry) return Error(ErrorCode::kNotFound, "signature not found in transparency log");
  auto vouched = [&]() -> Result<bool> {
    STEEPLE_CHECK(check_logged_parts(*entry, {parts.signature, parts.certificate->der(), layer.payload}));
    return verify_signed_entry(*entry, rekor_keys);
  }();
  if (!vouched) {
    return Error(vouched.error().code(), (parts.bundle ? "error verifying bundle: " : "no valid tlog entries found ") +
                                             vouched.error().message());
  }
  if (*vouched) verified.notes.emplace_back("Successfully verified Rekor entry using an expired verification key");
  verified.entry = entry;
  return {};
}

Result<void> SignatureVerifier::Impl::check_time(const Certificates& chain, const VerifiedSignature& verified,
                                                 WallTime now) const {
  if (verified.entry) {
    WallTime signed_at{std::chrono::seconds(verified.entry->integrated_time)};
    return runtime::with_context(check_expiry(chain, signed_at), "checking expiry on certificate with bundle");
  }
  if (check_expiry(chain, now)) return {};
  return unauthentic("expected a signed timestamp to verify an expired certificate");
}

Result<SignatureVerifier> SignatureVerifier::make(const SigstoreConfig& config, TrustMaterial trust) {
  STEEPLE_TRY(roots, parse_all(trust.fulcio_roots, "fulcio root certificate"));
  STEEPLE_TRY(intermediates, parse_all(trust.fulcio_intermediates, "fulcio intermediate certificate"));
  return SignatureVerifier(std::make_shared<const Impl>(
      Impl{std::move(roots), std::move(intermediates), std::move(trust.rekor_keys), std::move(trust.ct_log_keys),
           AllowedIdentities::make(config.allowed_identities), config.ignore_sct, config.ignore_tlog}));
}

bool SignatureVerifier::needs_entry(const SignedLayer& layer) const {
  auto bundle = layer.annotations.find(kBundleAnnotation);
  return !impl_->ignore_tlog && (bundle == layer.annotations.end() || bundle->second.empty());
}

Result<VerifiedSignature> SignatureVerifier::signature(const SignedLayer& layer, std::string_view image_digest,
                                                       const std::optional<RekorEntry>& found, WallTime now) const {
  STEEPLE_TRY(parts, read_layer(layer));
  STEEPLE_TRY(signer, read_signer_certificate(*parts.certificate));
  auto check_payload = [&](runtime::BytesView key) -> Result<void> {
    STEEPLE_TRY(signature, runtime::base64_decode(parts.signature));
    STEEPLE_CHECK(verify_key_signature(key, runtime::as_bytes(layer.payload), signature));
    return check_signed_digest(layer.payload, image_digest);
  };
  STEEPLE_TRY(verified, impl_->verify(parts, layer, found, now, signer, check_payload));
  STEEPLE_CHECK(take_names(signer, verified));
  return verified;
}

Result<VerifiedSignature> SignatureVerifier::attestation(const SignedLayer& layer, std::string_view image_digest,
                                                         const std::optional<RekorEntry>& found, WallTime now) const {
  STEEPLE_TRY(parts, read_layer(layer));
  STEEPLE_TRY(signer, read_signer_certificate(*parts.certificate));
  auto check_payload = [&](runtime::BytesView key) -> Result<void> {
    STEEPLE_TRY(envelope, parse_envelope(layer.payload));
    STEEPLE_CHECK(verify_envelope(envelope, key));
    return check_statement_subject(runtime::as_text(envelope.payload), image_digest);
  };
  return impl_->verify(parts, layer, found, now, signer, check_payload);
}

std::vector<std::string> SignatureVerifier::selectors(const std::vector<VerifiedSignature>& signatures, bool attested) {
  std::vector<std::string> values{"image-signature:verified"};
  if (attested) values.emplace_back("image-attestations:verified");
  auto add = [&values](std::string_view name, std::string_view value) {
    if (!value.empty()) values.push_back(fmt::format("image-signature-{}:{}", name, value));
  };
  for (const VerifiedSignature& signature : signatures) {
    add("subject", signature.subject);
    add("issuer", signature.issuer);
    add("value", signature.signature);
    if (!signature.entry) continue;
    add("log-id", signature.entry->log_id);
    add("log-index", std::to_string(signature.entry->log_index));
    add("integrated-time", std::to_string(signature.entry->integrated_time));
    add("signed-entry-timestamp", signature.entry->signed_entry_timestamp);
  }
  return values;
}

}  // namespace steeple::attestation
