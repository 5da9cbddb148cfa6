#include "deploy/devserver/server/server_svid.h"

#include <algorithm>

#include "agent/spiffe/x509_svid.h"
#include "runtime/tls/encoding.h"

namespace steeple::devserver {

using runtime::Certificate;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Result<std::unique_ptr<ServerSvid>> ServerSvid::make(const Authorities& authorities, const runtime::Clock& clock,
                                                     agent::TrustDomain trust_domain, std::chrono::seconds ttl) {
  std::unique_ptr<ServerSvid> svid(new ServerSvid(authorities, clock, std::move(trust_domain), ttl));
  STEEPLE_CHECK(svid->renew());
  return svid;
}

bool ServerSvid::due() const {
  auto life = certificate_->not_after() - certificate_->not_before();
  if (clock_.wall_now() >= certificate_->not_after() - life / 2) return true;
  std::string issuer = runtime::to_hex(certificate_->authority_key_id());
  const auto& all = authorities_.all();
  return std::none_of(all.begin(), all.end(),
                      [&](const AuthorityRecord& known) { return known.id == issuer && !known.tainted; });
}

Result<void> ServerSvid::renew() {
  STEEPLE_TRY(key, runtime::PrivateKey::generate(runtime::KeyType::kEcP256));
  SvidRequest request;
  request.spiffe_id = agent::server_id(trust_domain_).text();
  request.public_key = key.public_key();
  request.ttl = ttl_;
  STEEPLE_TRY(certificate, sign_svid(authorities_.x509(), request, clock_.wall_now()));
  identity_.emplace(runtime::TlsIdentity{{runtime::to_bytes(certificate.der())}, std::move(key)});
  certificate_.emplace(std::move(certificate));
  return {};
}

Result<void> verify_client(const Authorities& authorities, const agent::TrustDomain& trust_domain,
                           std::span<const runtime::Bytes> chain, runtime::WallTime now) {
  if (chain.empty()) return {};
  if (chain.size() > static_cast<std::size_t>(runtime::kChainDepthMax)) {
    return Error(ErrorCode::kLimit, "client certificate chain is too long");
  }
  STEEPLE_TRY(leaf, Certificate::parse(chain.front()));
  STEEPLE_TRY(id, agent::spiffe_id_of(leaf));
  if (!id.member_of(trust_domain)) {
    return Error(ErrorCode::kDenied,
                 "\"" + id.text() + "\" is not a member of trust domain \"" + trust_domain.name() + "\"");
  }
  STEEPLE_CHECK(agent::check_leaf(leaf));
  runtime::Certificates intermediates;
  for (const runtime::Bytes& der : chain.subspan(1)) {
    STEEPLE_TRY(certificate, Certificate::parse(der));
    intermediates.push_back(std::move(certificate));
  }
  return runtime::verify_chain(leaf, intermediates, authorities.x509_certificates(), now);
}

}  // namespace steeple::devserver
