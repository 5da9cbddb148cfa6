// jwt show, prepare, activate, taint, revoke, rotate, also as `localauthority jwt ...`; jwt mint.
#include <fmt/format.h>

#include <cstdint>

#include "agent/spiffe/spiffe_id.h"
#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/server_client.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "spire/api/server/localauthority/v1/localauthority.pb.h"
#include "spire/api/server/svid/v1/svid.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::localauthority::v1;
namespace svid_api = spire::api::server::svid::v1;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

#define STEEPLE_AUTHORITY_RPC(name) "/spire.api.server.localauthority.v1.LocalAuthority/" name

std::string format_state(const v1::AuthorityState& state) {
  return fmt::format("  Authority ID: {}\n  Expires at: {}\n", state.authority_id(),
                     runtime::go_time(runtime::WallTime(std::chrono::seconds(state.expires_at()))));
}

std::string format_slot(std::string_view name, std::string_view absent, bool known, const v1::AuthorityState& state) {
  return fmt::format("{} JWT authority:\n{}", name,
                     known ? format_state(state) : fmt::format("  No {} JWT authority found\n", absent));
}

Error wrong(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

// `verb` "activate" gives the error "could not activate JWT authority: ...".
template <class Response, class Request>
Result<Response> ask(const std::string& socket, std::string_view verb, std::string_view method,
                     const Request& request) {
  return runtime::with_context(call<Response>(socket, method, request),
                               fmt::format("could not {} JWT authority", verb));
}

template <class Response, class Request>
Result<Response> ask_with_id(const std::string& socket, std::string_view verb, std::string_view method,
                             const std::string& id) {
  if (id.empty()) return wrong("an authority ID is required");
  Request request;
  request.set_authority_id(id);
  return ask<Response>(socket, verb, method, request);
}

Result<v1::PrepareJWTAuthorityResponse> prepare(const std::string& socket) {
  return ask<v1::PrepareJWTAuthorityResponse>(socket, "prepare", STEEPLE_AUTHORITY_RPC("PrepareJWTAuthority"),
                                              v1::PrepareJWTAuthorityRequest());
}

Result<v1::ActivateJWTAuthorityResponse> activate(const std::string& socket, const std::string& id) {
  return ask_with_id<v1::ActivateJWTAuthorityResponse, v1::ActivateJWTAuthorityRequest>(
      socket, "activate", STEEPLE_AUTHORITY_RPC("ActivateJWTAuthority"), id);
}

// A command with -authorityID.
int run_with_id(const std::string& verb, const Words& arguments, Terminal& terminal,
                Result<void> (*body)(const std::string& socket, const std::string& id, Terminal& terminal)) {
  ClientCommand command("localauthority jwt " + verb);
  std::string id;
  command.flags().add("authorityID", id, fmt::format("The authority ID of the JWT authority to {}", verb));
  return command.run(arguments, terminal, [&](const std::string& socket) { return body(socket, id, terminal); });
}

struct MintFlags {
  std::string spiffe_id;
  std::chrono::nanoseconds ttl{0};
  std::vector<std::string> audience;
  std::string write;
};

Result<std::string> mint(const std::string& socket, const MintFlags& flags) {
  if (flags.spiffe_id.empty()) return wrong("spiffeID must be specified");
  if (flags.audience.empty()) return wrong("at least one audience must be specified");
  STEEPLE_TRY(id, agent::SpiffeId::parse(flags.spiffe_id));
  auto seconds = std::chrono::ceil<std::chrono::seconds>(flags.ttl).count();
  if (seconds < 0 || seconds > INT32_MAX) return wrong("invalid value for TTL");
  svid_api::MintJWTSVIDRequest request;
  request.mutable_id()->set_trust_domain(id.trust_domain().name());
  request.mutable_id()->set_path(std::string(id.path()));
  request.set_ttl(static_cast<std::int32_t>(seconds));
  for (const std::string& name : flags.audience) request.add_audience(name);
  STEEPLE_TRY(response, runtime::with_context(call<svid_api::MintJWTSVIDResponse>(
                                                  socket, "/spire.api.server.svid.v1.SVID/MintJWTSVID", request),
                                              "unable to mint SVID"));
  if (response.svid().token().empty()) return wrong("server response missing token");
  return response.svid().token();
}

}  // namespace

int run_jwt_show(const Words& arguments, Terminal& terminal) {
  ClientCommand command("localauthority jwt show");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(state, call<v1::GetJWTAuthorityStateResponse>(socket, STEEPLE_AUTHORITY_RPC("GetJWTAuthorityState"),
                                                              v1::GetJWTAuthorityStateRequest()));
    terminal.out(format_slot("Active", "active", state.has_active(), state.active()) + "\n");
    terminal.out(format_slot("Prepared", "prepared", state.has_prepared(), state.prepared()) + "\n");
    terminal.out(format_slot("Old", "old", state.has_old(), state.old()));
    return {};
  });
}

int run_jwt_prepare(const Words& arguments, Terminal& terminal) {
  ClientCommand command("localauthority jwt prepare");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(response, prepare(socket));
    terminal.out("Prepared JWT authority:\n" + format_state(response.prepared_authority()));
    return {};
  });
}

int run_jwt_activate(const Words& arguments, Terminal& terminal) {
  return run_with_id("activate", arguments, terminal,
                     [](const std::string& socket, const std::string& id, Terminal& to) -> Result<void> {
                       STEEPLE_TRY(response, activate(socket, id));
                       to.out("Activated JWT authority:\n" + format_state(response.activated_authority()));
                       return {};
                     });
}

int run_jwt_rotate(const Words& arguments, Terminal& terminal) {
  ClientCommand command("jwt rotate");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(prepared, prepare(socket));
    STEEPLE_TRY(response, activate(socket, prepared.prepared_authority().authority_id()));
    terminal.out("Activated JWT authority:\n" + format_state(response.activated_authority()));
    return {};
  });
}

int run_jwt_taint(const Words& arguments, Terminal& terminal) {
  return run_with_id("taint", arguments, terminal,
                     [](const std::string& socket, const std::string& id, Terminal& to) -> Result<void> {
                       auto response = ask_with_id<v1::TaintJWTAuthorityResponse, v1::TaintJWTAuthorityRequest>(
                           socket, "taint", STEEPLE_AUTHORITY_RPC("TaintJWTAuthority"), id);
                       if (!response) return std::move(response.error());
                       to.out("Tainted JWT authority:\n" + format_state(response->tainted_authority()));
                       return {};
                     });
}

int run_jwt_revoke(const Words& arguments, Terminal& terminal) {
  return run_with_id("revoke", arguments, terminal,
                     [](const std::string& socket, const std::string& id, Terminal& to) -> Result<void> {
                       auto response = ask_with_id<v1::RevokeJWTAuthorityResponse, v1::RevokeJWTAuthorityRequest>(
                           socket, "revoke", STEEPLE_AUTHORITY_RPC("RevokeJWTAuthority"), id);
                       if (!response) return std::move(response.error());
                       to.out("Revoked JWT authority:\n" + format_state(response->revoked_authority()));
                       return {};
                     });
}

int run_jwt_mint(const Words& arguments, Terminal& terminal) {
  ClientCommand command("jwt mint");
  MintFlags flags;
  command.flags().add("spiffeID", flags.spiffe_id, "SPIFFE ID of the JWT-SVID");
  command.flags().add("ttl", flags.ttl, "TTL of the JWT-SVID");
  add_list_flag(command.flags(), "audience", flags.audience, "An audience of the JWT-SVID; may be repeated");
  command.flags().add("write", flags.write, "File to write the token to instead of stdout");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(token, mint(socket, flags));
    if (flags.write.empty()) {
      terminal.out(token + "\n");
      return {};
    }
    STEEPLE_CHECK(runtime::with_context(runtime::replace_file(flags.write, runtime::as_bytes(token), 0600),
                                        "unable to write token"));
    terminal.out(fmt::format("JWT-SVID written to {}\n", flags.write));
    return {};
  });
}

}  // namespace steeple::devserver
