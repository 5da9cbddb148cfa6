// spire.api.server.localauthority.v1.LocalAuthority: prepare, activate, taint and revoke authorities of both kinds by
// hand.
#include <fmt/format.h>

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

// Both kinds have messages of the same shape.
template <AuthorityKind kind, class Request, class Response>
Answer<Response> get_state(ServerContext& context, const Caller&, const Request&) {
  Response response;
  auto newest = [&](AuthorityStatus status) { return context.authorities.newest(kind, status); };
  if (auto* active = newest(AuthorityStatus::kActive)) set_state(*response.mutable_active(), *active);
  if (auto* prepared = newest(AuthorityStatus::kPrepared)) set_state(*response.mutable_prepared(), *prepared);
  if (auto* old = newest(AuthorityStatus::kOld)) set_state(*response.mutable_old(), *old);
  return response;
}

constexpr std::string_view name_of(AuthorityKind kind) { return kind == AuthorityKind::kX509 ? "X.509" : "JWT"; }

Status failed(std::string_view verb, AuthorityKind kind, const Error& error) {
  if (error.code() == runtime::ErrorCode::kInvalidArgument) {
    return Status(StatusCode::kInvalidArgument, error.message());
  }
  return status_of(StatusCode::kInternal, fmt::format("failed to {} {} authority", verb, name_of(kind)), &error);
}

template <AuthorityKind kind, class Request, class Response>
Answer<Response> prepare(ServerContext& context, const Caller&, const Request&) {
  auto authority = context.authorities.prepare(kind);
  if (!authority) return failed("prepare", kind, authority.error());
  if (kind == AuthorityKind::kX509) context.authorities_changed();
  Response response;
  set_state(*response.mutable_prepared_authority(), *authority);
  return response;
}

template <AuthorityKind kind, class Request, class Response>
Answer<Response> activate(ServerContext& context, const Caller&, const Request& request) {
  auto authority = context.authorities.activate(kind, request.authority_id());
  if (!authority) return failed("activate", kind, authority.error());
  Response response;
  set_state(*response.mutable_activated_authority(), *authority);
  return response;
}

template <AuthorityKind kind, class Request, class Response>
Answer<Response> taint(ServerContext& context, const Caller&, const Request& request) {
  auto authority = context.authorities.taint(kind, request.authority_id());
  if (!authority) return failed("taint", kind, authority.error());
  if (kind == AuthorityKind::kX509) context.authorities_changed();
  Response response;
  set_state(*response.mutable_tainted_authority(), *authority);
  return response;
}

template <AuthorityKind kind, class Request, class Response>
Answer<Response> revoke(ServerContext& context, const Caller&, const Request& request) {
  auto authority = context.authorities.revoke(kind, request.authority_id());
  if (!authority) return failed("revoke", kind, authority.error());
  if (kind == AuthorityKind::kX509) context.authorities_changed();
  Response response;
  set_state(*response.mutable_revoked_authority(), *authority);
  return response;
}

// One row: the method NAME of KIND, answered by FUNCTION above.
#define STEEPLE_AUTHORITY_RPC(name, kind, function)                                                  \
  {"/spire.api.server.localauthority.v1.LocalAuthority/" #name, MethodKind::kUnary, kLocal | kAdmin, \
   &unary<v1::name##Request, function<AuthorityKind::kind, v1::name##Request, v1::name##Response>>}
constexpr Rpc kRpcs[] = {
    STEEPLE_AUTHORITY_RPC(GetX509AuthorityState, kX509, get_state),
    STEEPLE_AUTHORITY_RPC(PrepareX509Authority, kX509, prepare),
    STEEPLE_AUTHORITY_RPC(ActivateX509Authority, kX509, activate),
    STEEPLE_AUTHORITY_RPC(TaintX509Authority, kX509, taint),
    STEEPLE_AUTHORITY_RPC(RevokeX509Authority, kX509, revoke),
    STEEPLE_AUTHORITY_RPC(GetJWTAuthorityState, kJwt, get_state),
    STEEPLE_AUTHORITY_RPC(PrepareJWTAuthority, kJwt, prepare),
    STEEPLE_AUTHORITY_RPC(ActivateJWTAuthority, kJwt, activate),
    STEEPLE_AUTHORITY_RPC(TaintJWTAuthority, kJwt, taint),
    STEEPLE_AUTHORITY_RPC(RevokeJWTAuthority, kJwt, revoke),
};

}  // namespace

void add_local_authority_service(RpcTable& table) { table.add(kRpcs); }

}  // namespace steeple::devserver
