// spire.api.server.localauthority.v1.LocalAuthority, the X.509 half: prepare, activate, taint and revoke authorities by
// hand.
#include "deploy/devserver/services/messages.h"
#include "deploy/devserver/services/rules.h"
#include "spire/api/server/localauthority/v1/localauthority.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::localauthority::v1;
using runtime::Error;
using runtime::grpc::MethodKind;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

void set_state(v1::AuthorityState& out, const AuthorityRecord& authority) {
  out.set_authority_id(authority.id);
  out.set_expires_at(authority.not_after);
}

Status failed(std::string_view doing, const Error& error) {
  if (error.code() == runtime::ErrorCode::kInvalidArgument)
    return Status(StatusCode::kInvalidArgument, error.message());
  return status_of(StatusCode::kInternal, doing, &error);
}

Answer<v1::GetX509AuthorityStateResponse> get_state(ServerContext& context, const Caller&,
                                                    const v1::GetX509AuthorityStateRequest&) {
  v1::GetX509AuthorityStateResponse response;
  auto newest = [&](AuthorityStatus status) { return context.authorities.newest(AuthorityKind::kX509, status); };
  if (auto* active = newest(AuthorityStatus::kActive)) set_state(*response.mutable_active(), *active);
  if (auto* prepared = newest(AuthorityStatus::kPrepared)) set_state(*response.mutable_prepared(), *prepared);
  if (auto* old = newest(AuthorityStatus::kOld)) set_state(*response.mutable_old(), *old);
  return response;
}

Answer<v1::PrepareX509AuthorityResponse> prepare(ServerContext& context, const Caller&,
                                                 const v1::PrepareX509AuthorityRequest&) {
  auto authority = context.authorities.prepare_x509();
  if (!authority) return failed("failed to prepare X.509 authority", authority.error());
  context.authorities_changed();
  v1::PrepareX509AuthorityResponse response;
  set_state(*response.mutable_prepared_authority(), *authority);
  return response;
}

Answer<v1::ActivateX509AuthorityResponse> activate(ServerContext& context, const Caller&,
                                                   const v1::ActivateX509AuthorityRequest& request) {
  auto authority = context.authorities.activate_x509(request.authority_id());
  if (!authority) return failed("failed to activate X.509 authority", authority.error());
  v1::ActivateX509AuthorityResponse response;
  set_state(*response.mutable_activated_authority(), *authority);
  return response;
}

Answer<v1::TaintX509AuthorityResponse> taint(ServerContext& context, const Caller&,
                                             const v1::TaintX509AuthorityRequest& request) {
  auto authority = context.authorities.taint_x509(request.authority_id());
  if (!authority) return failed("failed to taint X.509 authority", authority.error());
  context.authorities_changed();
  v1::TaintX509AuthorityResponse response;
  set_state(*response.mutable_tainted_authority(), *authority);
  return response;
}

Answer<v1::RevokeX509AuthorityResponse> revoke(ServerContext& context, const Caller&,
                                               const v1::RevokeX509AuthorityRequest& request) {
  auto authority = context.authorities.revoke_x509(request.authority_id());
  if (!authority) return failed("failed to revoke X.509 authority", authority.error());
  context.authorities_changed();
  v1::RevokeX509AuthorityResponse response;
  set_state(*response.mutable_revoked_authority(), *authority);
  return response;
}

#define STEEPLE_AUTHORITY_RPC(name) "/spire.api.server.localauthority.v1.LocalAuthority/" name
constexpr Rpc kRpcs[] = {
    {STEEPLE_AUTHORITY_RPC("GetX509AuthorityState"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::GetX509AuthorityStateRequest, get_state>},
    {STEEPLE_AUTHORITY_RPC("PrepareX509Authority"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::PrepareX509AuthorityRequest, prepare>},
    {STEEPLE_AUTHORITY_RPC("ActivateX509Authority"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::ActivateX509AuthorityRequest, activate>},
    {STEEPLE_AUTHORITY_RPC("TaintX509Authority"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::TaintX509AuthorityRequest, taint>},
    {STEEPLE_AUTHORITY_RPC("RevokeX509Authority"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::RevokeX509AuthorityRequest, revoke>},
};

}  // namespace

void add_local_authority_service(RpcTable& table) { table.add(kRpcs); }

}  // namespace steeple::devserver
