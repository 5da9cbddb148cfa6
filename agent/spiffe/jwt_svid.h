// JWT-SVIDs: those the server issues to this agent's workloads, and the checks of one that somebody presents, in
// SPIRE's order and words (endpoints 2.5). Pure, any thread.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>

#include "agent/spiffe/bundle.h"
#include "agent/spiffe/json_value.h"
#include "agent/spiffe/spiffe_id.h"
#include "runtime/core/clock.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kJwtLeeway{60};  // for clocks that differ, on exp, nbf and iat

// As the server issued it. Immutable once shared.
class JwtSvid {
 public:
  JwtSvid(SpiffeId spiffe_id, runtime::SecretBytes token, runtime::WallTime issued_at, runtime::WallTime expires_at);

  const SpiffeId& spiffe_id() const { return spiffe_id_; }
  std::string_view token() const { return runtime::as_text(token_.view()); }  // compact JWS
  const std::string& key_id() const { return key_id_; }  // of the authority; empty when it cannot be read
  runtime::WallTime issued_at() const { return issued_at_; }
  runtime::WallTime expires_at() const { return expires_at_; }

 private:
  SpiffeId spiffe_id_;
  runtime::SecretBytes token_;
  std::string key_id_;
  runtime::WallTime issued_at_;
  runtime::WallTime expires_at_;
};

using SharedJwtSvid = std::shared_ptr<const JwtSvid>;

// A token that proved to be what it says.
struct VerifiedJwt {
  SpiffeId spiffe_id;
  JsonValue claims;  // an object
};

// `bundles`: of the trust domains whose tokens are accepted; the subject's decides which one counts. The text of an
// error is what the caller is told, cut at 4 KiB.
runtime::Result<VerifiedJwt> verify_jwt_svid(std::string_view token, std::string_view audience,
                                             std::span<const SharedBundle> bundles, runtime::WallTime now);

}  // namespace steeple::agent
