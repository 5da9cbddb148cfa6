#include "attestation/sigstore/trust_roots.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

#include "runtime/os/file.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation {
namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::Task;

using PublicKey = std::unique_ptr<EVP_PKEY, decltype(&EVP_PKEY_free)>;

PublicKey read_public_key(BytesView der, bool pkcs1) {
  const unsigned char* at = der.data();
  const auto size = static_cast<long>(der.size());
  PublicKey key(pkcs1 ? d2i_PublicKey(EVP_PKEY_RSA, nullptr, &at, size) : d2i_PUBKEY(nullptr, &at, size),
                EVP_PKEY_free);
  if (at != der.data() + der.size()) key.reset();
  return key;
}

Result<Bytes> spki_of(EVP_PKEY* key) {
  unsigned char* der = nullptr;
  const int size = i2d_PUBKEY(key, &der);
  if (size <= 0) return Error(ErrorCode::kMalformed, "x509: cannot encode the public key");
  Bytes out(der, der + size);
  OPENSSL_free(der);
  return out;
}

bool is_usable(EVP_PKEY* key) {
  const int type = EVP_PKEY_base_id(key);
  return type == EVP_PKEY_EC || type == EVP_PKEY_RSA || type == EVP_PKEY_ED25519;
}

std::optional<std::string> named_file(const Environment& environment, const char* variable) {
  std::optional<std::string> path = environment(variable);
  if (path && path->empty()) path.reset();
  return path;
}

Error not_named(const char* variable) {
  return Error(
      ErrorCode::kFailedPrecondition,
      fmt::format("{} is not set: this version of Steeple takes the trust roots of sigstore from the files that "
                  "{}, {} and {} name",
                  variable, kFulcioRootVariable, kRekorKeyVariable, kCtLogKeyVariable));
}

Result<void> load_fulcio(const Environment& environment, TrustMaterial& material) {
  const std::optional<std::string> path = named_file(environment, kFulcioRootVariable);
  if (!path) return not_named(kFulcioRootVariable);
  STEEPLE_TRY(pem, runtime::with_context(runtime::read_file(*path, kRootFileBytesMax), "error reading root PEM file"));
  STEEPLE_CHECK(add_fulcio_certificates(pem, material));
  if (!material.fulcio_roots.empty()) return {};
  return Error(ErrorCode::kFailedPrecondition, "none of the Fulcio roots have been found");
}

struct LogSource {
  const char* variable;
  const char* reading;
  const char* adding;
};
constexpr LogSource kRekor{kRekorKeyVariable, "error reading alternate Rekor public key file", "AddRekorPubKey"};
constexpr LogSource kCtLog{kCtLogKeyVariable, "error reading alternate CTLog public key file", "AddCTLogPubKey"};

Result<void> load_log(const Environment& environment, const LogSource& source, std::vector<LogKey>& keys) {
  const std::optional<std::string> path = named_file(environment, source.variable);
  if (!path) return not_named(source.variable);
  STEEPLE_TRY(pem, runtime::with_context(runtime::read_file(*path, kLogKeyFileBytesMax), source.reading));
  STEEPLE_TRY(key, runtime::with_context(parse_log_key(pem), source.adding));
  keys.push_back(std::move(key));
  return {};
}

}  // namespace

Result<void> add_fulcio_certificates(std::string_view pem, TrustMaterial& material) {
  constexpr const char* kDoing = "error unmarshalling certificates";
  auto blocks = runtime::parse_pem_blocks(pem);
  if (!blocks || (blocks->empty() && !pem.empty())) {
    return Error(ErrorCode::kMalformed, fmt::format("{}: error during PEM decoding", kDoing));
  }
  for (const runtime::PemBlock& block : *blocks) {
    STEEPLE_TRY(certificate, runtime::with_context(runtime::Certificate::parse(block.bytes.view()), kDoing));
    auto& list = certificate.is_self_issued() ? material.fulcio_roots : material.fulcio_intermediates;
    list.push_back(runtime::to_bytes(certificate.der()));
  }
  return {};
}

Result<LogKey> parse_log_key(std::string_view pem, bool active) {
  const auto blocks = runtime::parse_pem_blocks(pem);
  if (!blocks || blocks->empty()) return Error(ErrorCode::kMalformed, "PEM decoding failed");
  const runtime::PemBlock& block = blocks->front();
  const bool pkcs1 = block.type == "RSA PUBLIC KEY";
  if (!pkcs1 && block.type != "PUBLIC KEY") {
    return Error(ErrorCode::kMalformed, fmt::format("unknown Public key PEM file type: {}. Are you passing the correct "
                                                    "public key?",
                                                    block.type));
  }
  const PublicKey key = read_public_key(block.bytes.view(), pkcs1);
  if (!key) return Error(ErrorCode::kMalformed, "x509: failed to parse public key");
  if (!is_usable(key.get())) return Error(ErrorCode::kInvalidArgument, "x509: unknown public key algorithm");
  STEEPLE_TRY(spki, spki_of(key.get()));
  return log_key(std::move(spki), active);
}

Task<Result<TrustMaterial>> load_trust_material(const SigstoreConfig& config, Environment environment,
                                                runtime::HttpClient& http, runtime::Deadline deadline,
                                                runtime::StopToken stop, const runtime::Logger& log) {
  TrustMaterial material;
  STEEPLE_CO_CHECK(runtime::with_context(load_fulcio(environment, material), "failed to get fulcio root certificates"));
  if (!config.ignore_tlog) {
    STEEPLE_CO_CHECK(
        runtime::with_context(load_log(environment, kRekor, material.rekor_keys), "failed to get rekor public keys"));
  }
  if (!config.ignore_sct) {
    STEEPLE_CO_CHECK(
        runtime::with_context(load_log(environment, kCtLog, material.ct_log_keys), "failed to get CT log public keys"));
  }
  static_cast<void>(http);
  static_cast<void>(deadline);
  static_cast<void>(stop);
  log.debug("Sigstore trust roots loaded", {{"fulcio_roots", material.fulcio_roots.size()},
                                            {"rekor_keys", material.rekor_keys.size()},
                                            {"ct_log_keys", material.ct_log_keys.size()}});
  co_return material;
}

}  // namespace steeple::attestation
