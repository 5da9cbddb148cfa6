#include "agent/server/jwt_svid_answer.h"

#include "agent/server/messages.h"
#include "spire/api/server/svid/v1/svid.pb.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

runtime::WallTime wall_time(std::int64_t unix_seconds) { return runtime::WallTime(std::chrono::seconds(unix_seconds)); }

Result<SpiffeId> id_of(const spire::api::types::JWTSVID& svid) {
  STEEPLE_TRY(trust_domain, TrustDomain::parse(svid.id().trust_domain()));
  return SpiffeId::make(trust_domain, svid.id().path());
}

Result<SharedJwtSvid> checked(const spire::api::types::JWTSVID& svid) {
  auto refused = [](const char* text) { return Error(ErrorCode::kMalformed, text); };
  if (svid.issued_at() == 0) return refused("JWTSVID missing issued at");
  if (svid.expires_at() == 0) return refused("JWTSVID missing expires at");
  if (svid.issued_at() > svid.expires_at()) return refused("JWTSVID issued after it has expired");
  STEEPLE_TRY(id, with_context(id_of(svid), "could not parse JWT-SVID SPIFFE ID"));
  return std::make_shared<const JwtSvid>(std::move(id), runtime::SecretBytes(runtime::as_bytes(svid.token())),
                                         wall_time(svid.issued_at()), wall_time(svid.expires_at()));
}

}  // namespace

Result<SharedJwtSvid> read_jwt_svid_answer(runtime::BytesView answer) {
  spire::api::server::svid::v1::NewJWTSVIDResponse response;
  STEEPLE_CHECK(with_context(parse(answer, response), "failed to fetch JWT SVID"));
  if (!response.has_svid()) return Error(ErrorCode::kMalformed, "JWTSVID response missing SVID");
  Result<SharedJwtSvid> svid = checked(response.svid());
  std::string& token = *response.mutable_svid()->mutable_token();
  runtime::wipe_memory(token.data(), token.size());
  return svid;
}

}  // namespace steeple::agent
