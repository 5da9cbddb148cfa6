#include "attestation/node/x509pop/proof.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <algorithm>

#include "runtime/tls/key_pair_pem.h"

namespace steeple::attestation::x509pop {

namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

struct FreeDigestContext {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};
using DigestContext = std::unique_ptr<EVP_MD_CTX, FreeDigestContext>;

Error failed(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

bool is_rsa(const EVP_PKEY* key) { return EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA; }
bool is_ec(const EVP_PKEY* key) { return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC; }

// Go's names of the types, since the texts end in the operator's log.
std::string unsupported_type(std::string_view which, const EVP_PKEY* key) {
  bool ed25519 = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519;
  bool is_private = which == "private";
  std::string type = ed25519 ? (is_private ? "ed25519.PrivateKey" : "ed25519.PublicKey") : "<nil>";
  return "unsupported " + std::string(which) + " key type " + type;
}

Result<Bytes> make_nonce() {
  Bytes nonce(kNonceBytes);
  if (RAND_bytes(nonce.data(), static_cast<int>(nonce.size())) != 1) {
    return Error(ErrorCode::kInternal, "no random bytes");
  }
  return nonce;
}

Result<Bytes> combine_nonces(const Bytes& challenge, const Bytes& response) {
  if (challenge.size() != kNonceBytes) return failed("invalid challenge nonce");
  if (response.size() != kNonceBytes) return failed("invalid response nonce");
  Bytes both = challenge;
  both.insert(both.end(), response.begin(), response.end());
  return both;
}

std::shared_ptr<EVP_PKEY> public_key_of(const runtime::Certificate& certificate) {
  BytesView spki = certificate.public_key();
  const unsigned char* at = spki.data();
  return {d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())), &EVP_PKEY_free};
}

// RSASSA-PSS with automatic salt on both sides: signed with the longest, verified with any, as Go's default does.
bool prepare_pss(EVP_PKEY_CTX* context) {
  return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md(context, EVP_sha256()) == 1 &&
         EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_AUTO) == 1;
}

Result<Bytes> sign(EVP_PKEY* key, const Bytes& message) {
  DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  std::size_t size = 0;
  bool ready = context && EVP_DigestSignInit(context.get(), &options, EVP_sha256(), nullptr, key) == 1 &&
               (!is_rsa(key) || prepare_pss(options)) &&
               EVP_DigestSign(context.get(), nullptr, &size, message.data(), message.size()) == 1;
  if (!ready) return failed("unable to sign with this key");
  Bytes signature(size);
  if (EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) != 1) {
    return failed("unable to sign with this key");
  }
  signature.resize(size);
  return signature;
}

bool verify(EVP_PKEY* key, const Bytes& message, const Bytes& signature) {
  DigestContext context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* options = nullptr;
  return context && EVP_DigestVerifyInit(context.get(), &options, EVP_sha256(), nullptr, key) == 1 &&
         (!is_rsa(key) || prepare_pss(options)) &&
         EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(), message.size()) == 1;
}

Result<void> verify_rsa(EVP_PKEY* key, const Challenge& challenge, const Response& response) {
  if (!challenge.rsa_nonce) return failed("expecting RSA challenge");
  if (!response.rsa) return failed("expecting RSA response");
  STEEPLE_TRY(message, combine_nonces(*challenge.rsa_nonce, response.rsa->nonce));
  if (!verify(key, message, response.rsa->signature)) return failed("RSA signature verify failed");
  return {};
}

Result<void> verify_ecdsa(EVP_PKEY* key, const Challenge& challenge, const Response& response) {
  if (!challenge.ecdsa_nonce) return failed("expecting ECDSA challenge");
  if (!response.ecdsa) return failed("expecting ECDSA response");
  STEEPLE_TRY(message, combine_nonces(*challenge.ecdsa_nonce, response.ecdsa->nonce));
  Result<Bytes> signature = runtime::join_ecdsa_signature({response.ecdsa->r, response.ecdsa->s});
  if (!signature || !verify(key, message, *signature)) return failed("ECDSA signature verify failed");
  return {};
}

}  // namespace

Result<ProofKey> ProofKey::from_pem(std::string_view pem) {
  STEEPLE_TRY(block, runtime::private_key_block_from_pem(pem));
  BytesView der = block.bytes.view();
  const unsigned char* at = der.data();
  std::shared_ptr<EVP_PKEY> key(d2i_AutoPrivateKey(nullptr, &at, static_cast<long>(der.size())), &EVP_PKEY_free);
  if (!key) return failed("tls: failed to parse private key");
  return ProofKey(std::move(key));
}

Bytes ProofKey::public_key() const {
  unsigned char* encoded = nullptr;
  int size = i2d_PUBKEY(key_.get(), &encoded);
  if (size <= 0) return {};
  Bytes spki(encoded, encoded + size);
  OPENSSL_free(encoded);
  return spki;
}

Result<Response> ProofKey::answer(const Challenge& challenge) const {
  Response response;
  if (is_rsa(key_.get())) {
    if (!challenge.rsa_nonce) return failed("expecting RSA challenge");
    STEEPLE_TRY(nonce, make_nonce());
    STEEPLE_TRY(message, combine_nonces(*challenge.rsa_nonce, nonce));
    STEEPLE_TRY(signature, sign(key_.get(), message));
    response.rsa = RsaResponse{std::move(nonce), std::move(signature)};
    return response;
  }
  if (!is_ec(key_.get())) return failed(unsupported_type("private", key_.get()));
  if (!challenge.ecdsa_nonce) return failed("expecting ECDSA challenge");
  STEEPLE_TRY(nonce, make_nonce());
  STEEPLE_TRY(message, combine_nonces(*challenge.ecdsa_nonce, nonce));
  STEEPLE_TRY(signature, sign(key_.get(), message));
  STEEPLE_TRY(parts, runtime::split_ecdsa_signature(signature));
  response.ecdsa = EcdsaResponse{std::move(nonce), std::move(parts.r), std::move(parts.s)};
  return response;
}

Result<Challenge> make_challenge(BytesView leaf) {
  STEEPLE_TRY(certificate, runtime::Certificate::parse(leaf));
  if ((certificate.key_usage().value_or(0) & runtime::kDigitalSignature) == 0) {
    return failed("certificate not intended for digital signature use");
  }
  std::shared_ptr<EVP_PKEY> key = public_key_of(certificate);
  if (!key || !(is_rsa(key.get()) || is_ec(key.get()))) {
    return failed(key ? unsupported_type("public", key.get()) : "unsupported public key type <nil>");
  }
  STEEPLE_TRY(nonce, make_nonce());
  Challenge challenge;
  (is_rsa(key.get()) ? challenge.rsa_nonce : challenge.ecdsa_nonce) = std::move(nonce);
  return challenge;
}

Result<void> verify_response(BytesView leaf, const Challenge& challenge, const Response& response) {
  STEEPLE_TRY(certificate, runtime::Certificate::parse(leaf));
  std::shared_ptr<EVP_PKEY> key = public_key_of(certificate);
  if (key && is_rsa(key.get())) return verify_rsa(key.get(), challenge, response);
  if (key && is_ec(key.get())) return verify_ecdsa(key.get(), challenge, response);
  return failed("unsupported private key type <nil>");
}

bool holds_public_key(BytesView certificate, const ProofKey& key) {
  Result<runtime::Certificate> parsed = runtime::Certificate::parse(certificate);
  if (!parsed) return false;
  std::shared_ptr<EVP_PKEY> theirs = public_key_of(*parsed);
  Bytes spki = key.public_key();
  const unsigned char* at = spki.data();
  std::shared_ptr<EVP_PKEY> ours(d2i_PUBKEY(nullptr, &at, static_cast<long>(spki.size())), &EVP_PKEY_free);
  return theirs && ours && EVP_PKEY_eq(theirs.get(), ours.get()) == 1;
}

}  // namespace steeple::attestation::x509pop
