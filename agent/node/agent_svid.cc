#include "agent/node/agent_svid.h"

#include <fmt/format.h>

#include "agent/spiffe/x509_svid.h"
#include "runtime/core/go_text.h"

namespace steeple::agent {

namespace {

using runtime::Certificate;
using runtime::Certificates;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error refused(std::string text) { return Error(ErrorCode::kMalformed, std::move(text)); }

Certificates intermediates_of(const Certificates& chain) { return Certificates(chain.begin() + 1, chain.end()); }

}  // namespace

Result<SharedAgentSvid> AgentSvid::make(Certificates chain, ManagedKey key, bool reattestable,
                                        const TrustDomain& trust_domain, runtime::WallTime now) {
  if (chain.empty()) return refused("empty SVID cert chain");
  const Certificate& leaf = chain.front();
  if (!runtime::same_public_key(leaf.public_key(), key.key.public_key())) {
    return refused("agent SVID is not for the key of the request");
  }
  STEEPLE_TRY(id, spiffe_id_of(leaf));
  if (!id.member_of(trust_domain) || !is_agent_path(id.path())) {
    return refused(fmt::format("agent SVID names {}, which is no agent of trust domain {}",
                               runtime::go_quote(id.text()), runtime::go_quote(trust_domain.name())));
  }
  STEEPLE_CHECK(check_leaf(leaf));
  if (now >= leaf.not_after()) return refused("agent SVID has already expired");
  return SharedAgentSvid(new AgentSvid(std::move(chain), std::move(key), reattestable, std::move(id)));
}

runtime::TlsIdentity AgentSvid::tls_identity() const {
  std::vector<runtime::Bytes> chain;
  for (const Certificate& certificate : chain_) chain.push_back(runtime::to_bytes(certificate.der()));
  return {std::move(chain), key_.key};
}

bool is_signed_by_any(const AgentSvid& svid, const Certificates& authorities, runtime::WallTime now) {
  return runtime::verify_chain(svid.chain().front(), intermediates_of(svid.chain()), authorities, now).has_value();
}

StoredIdentity examine_stored(const Certificates& svid, const KeyManager& keys, runtime::WallTime now) {
  using Finding = StoredIdentity::Finding;
  std::vector<ManagedKey> all = keys.keys();
  bool has_keys = !all.empty();
  if (svid.empty()) return {has_keys ? Finding::kKeysWithoutSvid : Finding::kNothing, std::nullopt};
  std::optional<ManagedKey> key = find_by_public_key(std::move(all), svid.front().public_key());
  if (!key) return {has_keys ? Finding::kNoSvidKey : Finding::kNoKeys, std::nullopt};
  bool expired = now + kSvidExpirySkew >= svid.front().not_after();
  return {expired ? Finding::kExpired : Finding::kUsable, std::move(key)};
}

std::string_view warning_of(StoredIdentity::Finding finding) {
  switch (finding) {
    case StoredIdentity::Finding::kUsable:
    case StoredIdentity::Finding::kNothing:
      return {};
    case StoredIdentity::Finding::kExpired:
      return "SVID key recovered, but SVID is expired. Generating new keypair";
    case StoredIdentity::Finding::kNoKeys:
      return "SVID recovered, but no keys found. Generating new keypair";
    case StoredIdentity::Finding::kNoSvidKey:
      return "SVID recovered, but no SVID key found. Generating new keypair";
    case StoredIdentity::Finding::kKeysWithoutSvid:
      return "Keys recovered, but no SVID found. Generating new keypair";
  }
  return {};
}

}  // namespace steeple::agent
