#include "attestation/sigstore/trust_roots.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>

#include "attestation/sigstore/tuf/tuf_repository.h"
#include "runtime/os/file.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation {
namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
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

// The repository is loaded when something of it is wanted, and once.
class Sources {
 public:
  Sources(const Environment& environment, runtime::HttpClient& http, Deadline deadline, StopToken stop,
          const runtime::Logger& log)
      : environment_(environment), http_(http), deadline_(deadline), stop_(stop), log_(log) {}

  std::optional<std::string> named_file(const char* variable) const {
    std::optional<std::string> path = environment_(variable);
    if (path && path->empty()) path.reset();
    return path;
  }

  Task<Result<TufRepository*>> repository() {
    if (!repository_) {
      TufRepository loaded(http_, tuf_settings(environment_), log_);
      STEEPLE_CO_CHECK(co_await loaded.load(std::chrono::system_clock::now(), deadline_, stop_));
      repository_.emplace(std::move(loaded));
    }
    co_return &*repository_;
  }

 private:
  const Environment& environment_;
  runtime::HttpClient& http_;
  Deadline deadline_;
  StopToken stop_;
  const runtime::Logger& log_;
  std::optional<TufRepository> repository_;
};

Task<Result<std::vector<std::string>>> fulcio_texts(Sources& sources) {
  std::vector<std::string> texts;
  if (const auto path = sources.named_file(kFulcioRootVariable)) {
    STEEPLE_CO_TRY(pem,
                   runtime::with_context(runtime::read_file(*path, kRootFileBytesMax), "error reading root PEM file"));
    texts.push_back(std::move(pem));
    co_return texts;
  }
  STEEPLE_CO_TRY(repository, runtime::with_context(co_await sources.repository(), "initializing tuf"));
  STEEPLE_CO_TRY(targets, runtime::with_context(repository->targets("fulcio", {"fulcio.crt.pem", "fulcio_v1.crt.pem",
                                                                               "fulcio_intermediate_v1.crt.pem"}),
                                                "error getting targets"));
  for (TufTargetFile& target : targets) texts.push_back(std::move(target.bytes));
  co_return texts;
}

Task<Result<void>> load_fulcio(Sources& sources, TrustMaterial& material) {
  STEEPLE_CO_TRY(texts, co_await fulcio_texts(sources));
  for (const std::string& pem : texts) STEEPLE_CO_CHECK(add_fulcio_certificates(pem, material));
  if (!material.fulcio_roots.empty()) co_return Result<void>();
  co_return Error(ErrorCode::kFailedPrecondition, "none of the Fulcio roots have been found");
}

struct LogSource {
  const char* variable;
  const char* usage;     // of the repository's targets
  const char* fallback;  // a target's name
  const char* reading;
  const char* adding;
};
constexpr LogSource kRekor{kRekorKeyVariable, "rekor", "rekor.pub", "error reading alternate Rekor public key file",
                           "AddRekorPubKey"};
constexpr LogSource kCtLog{kCtLogKeyVariable, "ctfe", "ctfe.pub", "error reading alternate CTLog public key file",
                           "AddCTLogPubKey"};

Task<Result<void>> load_log(Sources& sources, const LogSource& source, std::vector<LogKey>& keys) {
  std::vector<TufTargetFile> files;
  if (const auto path = sources.named_file(source.variable)) {
    STEEPLE_CO_TRY(pem, runtime::with_context(runtime::read_file(*path, kLogKeyFileBytesMax), source.reading));
    files.push_back({*path, std::move(pem), true});
  } else {
    STEEPLE_CO_TRY(repository, co_await sources.repository());
    STEEPLE_CO_TRY(targets, repository->targets(source.usage, {source.fallback}));
    files = std::move(targets);
  }
  for (const TufTargetFile& file : files) {
    STEEPLE_CO_TRY(key, runtime::with_context(parse_log_key(file.bytes, file.active), source.adding));
    keys.push_back(std::move(key));
  }
  co_return Result<void>();
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
  Sources sources(environment, http, deadline, stop, log);
  STEEPLE_CO_CHECK(
      runtime::with_context(co_await load_fulcio(sources, material), "failed to get fulcio root certificates"));
  if (!config.ignore_tlog) {
    STEEPLE_CO_CHECK(runtime::with_context(co_await load_log(sources, kRekor, material.rekor_keys),
                                           "failed to get rekor public keys"));
  }
  if (!config.ignore_sct) {
    STEEPLE_CO_CHECK(runtime::with_context(co_await load_log(sources, kCtLog, material.ct_log_keys),
                                           "failed to get CT log public keys"));
  }
  log.debug("Sigstore trust roots loaded", {{"fulcio_roots", material.fulcio_roots.size()},
                                            {"rekor_keys", material.rekor_keys.size()},
                                            {"ct_log_keys", material.ct_log_keys.size()}});
  co_return material;
}

}  // namespace steeple::attestation
