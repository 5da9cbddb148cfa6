// Where the trust material comes from, once at the start (cosign's fulcioroots, GetRekorPubs, GetCTLogPubs): from the
// files that SIGSTORE_ROOT_FILE, SIGSTORE_REKOR_PUBLIC_KEY and SIGSTORE_CT_LOG_PUBLIC_KEY_FILE name, and what they do
// not name from Sigstore's update repository (tuf/tuf_repository.h). What the configuration ignores is not read. Files
// are small and read on the I/O thread.
#pragma once

#include <string_view>

#include "attestation/kube/access.h"
#include "attestation/sigstore/config.h"
#include "attestation/sigstore/trust_material.h"
#include "runtime/core/log.h"
#include "runtime/http1/client.h"

namespace steeple::attestation {

inline constexpr char kFulcioRootVariable[] = "SIGSTORE_ROOT_FILE";
inline constexpr char kRekorKeyVariable[] = "SIGSTORE_REKOR_PUBLIC_KEY";
inline constexpr char kCtLogKeyVariable[] = "SIGSTORE_CT_LOG_PUBLIC_KEY_FILE";
inline constexpr std::size_t kRootFileBytesMax = 1 << 20;
inline constexpr std::size_t kLogKeyFileBytesMax = 64 * 1024;

// Every block is a certificate; a self-issued one is a root, any other an intermediate.
runtime::Result<void> add_fulcio_certificates(std::string_view pem, TrustMaterial& material);

// The first block: PUBLIC KEY, or RSA PUBLIC KEY. Its id is of the SubjectPublicKeyInfo either way. An ECDSA, RSA or
// Ed25519 key.
runtime::Result<LogKey> parse_log_key(std::string_view pem, bool active = true);

// The error says which of the three failed, in upstream's words ("failed to get rekor public keys: ..."). `config` and
// `http` outlive the task.
runtime::Task<runtime::Result<TrustMaterial>> load_trust_material(const SigstoreConfig& config, Environment environment,
                                                                  runtime::HttpClient& http, runtime::Deadline deadline,
                                                                  runtime::StopToken stop, const runtime::Logger& log);

}  // namespace steeple::attestation
