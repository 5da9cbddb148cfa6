// The agent's own X509-SVID with its managed key. Made only through checks: the server's answer must be for our key,
// name an agent of our trust domain, and not be over yet (a chain that fails them is refused, and the last good one
// kept). Immutable, shared. Also the choice between loading and attesting at start (server-sync 2.1), sans I/O.
#pragma once

#include <memory>
#include <optional>
#include <string_view>

#include "agent/keys/key_manager.h"
#include "agent/spiffe/spiffe_id.h"
#include "runtime/tls/client_context.h"
#include "runtime/tls/x509.h"

namespace steeple::agent {

class AgentSvid {
 public:
  static runtime::Result<std::shared_ptr<const AgentSvid>> make(runtime::Certificates chain, ManagedKey key,
                                                                bool reattestable, const TrustDomain& trust_domain,
                                                                runtime::WallTime now);

  const runtime::Certificates& chain() const { return chain_; }  // leaf first
  const ManagedKey& key() const { return key_; }
  bool reattestable() const { return reattestable_; }
  const SpiffeId& id() const { return id_; }
  runtime::WallTime not_before() const { return chain_.front().not_before(); }
  runtime::WallTime not_after() const { return chain_.front().not_after(); }
  bool expired(runtime::WallTime now) const { return now >= not_after(); }
  runtime::TlsIdentity tls_identity() const;

 private:
  AgentSvid(runtime::Certificates chain, ManagedKey key, bool reattestable, SpiffeId id)
      : chain_(std::move(chain)), key_(std::move(key)), reattestable_(reattestable), id_(std::move(id)) {}
  runtime::Certificates chain_;
  ManagedKey key_;
  bool reattestable_;
  SpiffeId id_;
};

using SharedAgentSvid = std::shared_ptr<const AgentSvid>;

// Whether one of these authorities alone leads to the SVID (server-sync 3.9).
bool is_signed_by_any(const AgentSvid& svid, const runtime::Certificates& authorities, runtime::WallTime now);

inline constexpr std::chrono::seconds kSvidExpirySkew{1};  // a stored SVID this close to its end counts as expired

class StoredIdentity {
 public:
  enum class Finding { kUsable, kNothing, kExpired, kNoKeys, kNoSvidKey, kKeysWithoutSvid };
  StoredIdentity(Finding what, std::optional<ManagedKey> svid_key) : finding(what), key(std::move(svid_key)) {}
  Finding finding;
  std::optional<ManagedKey> key;  // the stored SVID's, usable or expired
};
StoredIdentity examine_stored(const runtime::Certificates& svid, const KeyManager& keys, runtime::WallTime now);
std::string_view warning_of(StoredIdentity::Finding finding);  // empty: none

}  // namespace steeple::agent
