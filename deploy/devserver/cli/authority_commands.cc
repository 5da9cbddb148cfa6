// x509 show, prepare, activate, taint, revoke, rotate; also as `localauthority x509 ...`.
#include <fmt/format.h>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/server_client.h"
#include "runtime/core/go_text.h"
#include "spire/api/server/localauthority/v1/localauthority.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::localauthority::v1;
using runtime::Result;

#define STEEPLE_AUTHORITY_RPC(name) "/spire.api.server.localauthority.v1.LocalAuthority/" name

std::string format_state(const v1::AuthorityState& state) {
  std::string expiry = runtime::go_time(runtime::WallTime(std::chrono::seconds(state.expires_at())));
  return fmt::format("  Authority ID: {}\n  Expires at: {}\n  Upstream authority ID: No upstream authority\n",
                     state.authority_id(), expiry);
}

std::string format_slot(std::string_view name, std::string_view absent, bool known, const v1::AuthorityState& state) {
  return fmt::format("{} X.509 authority:\n{}", name,
                     known ? format_state(state) : fmt::format("  No {} X.509 authority found\n", absent));
}

Result<v1::PrepareX509AuthorityResponse> prepare(const std::string& socket) {
  return runtime::with_context(
      call<v1::PrepareX509AuthorityResponse>(socket, STEEPLE_AUTHORITY_RPC("PrepareX509Authority"),
                                             v1::PrepareX509AuthorityRequest()),
      "could not prepare X.509 authority");
}

Result<v1::ActivateX509AuthorityResponse> activate(const std::string& socket, const std::string& id) {
  v1::ActivateX509AuthorityRequest request;
  request.set_authority_id(id);
  return runtime::with_context(
      call<v1::ActivateX509AuthorityResponse>(socket, STEEPLE_AUTHORITY_RPC("ActivateX509Authority"), request),
      "could not activate X.509 authority");
}

// A command with -authorityID.
int run_with_id(const std::string& verb, const Words& arguments, Terminal& terminal,
                Result<void> (*body)(const std::string& socket, const std::string& id, Terminal& terminal)) {
  ClientCommand command("localauthority x509 " + verb);
  std::string id;
  command.flags().add("authorityID", id, fmt::format("The authority ID of the X.509 authority to {}", verb));
  return command.run(arguments, terminal, [&](const std::string& socket) { return body(socket, id, terminal); });
}

}  // namespace

int run_x509_show(const Words& arguments, Terminal& terminal) {
  ClientCommand command("localauthority x509 show");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(state, runtime::with_context(call<v1::GetX509AuthorityStateResponse>(
                                                 socket, STEEPLE_AUTHORITY_RPC("GetX509AuthorityState"),
                                                 v1::GetX509AuthorityStateRequest()),
                                             "could not get X.509 authorities"));
    terminal.out(format_slot("Active", "active", state.has_active(), state.active()) + "\n");
    terminal.out(format_slot("Prepared", "prepared", state.has_prepared(), state.prepared()) + "\n");
    terminal.out(format_slot("Old", "old", state.has_old(), state.old()));
    return {};
  });
}

int run_x509_prepare(const Words& arguments, Terminal& terminal) {
  ClientCommand command("localauthority x509 prepare");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(response, prepare(socket));
    terminal.out("Prepared X.509 authority:\n" + format_state(response.prepared_authority()));
    return {};
  });
}

int run_x509_activate(const Words& arguments, Terminal& terminal) {
  return run_with_id("activate", arguments, terminal,
                     [](const std::string& socket, const std::string& id, Terminal& to) -> Result<void> {
                       STEEPLE_TRY(response, activate(socket, id));
                       to.out("Activated X.509 authority:\n" + format_state(response.activated_authority()));
                       return {};
                     });
}

int run_x509_rotate(const Words& arguments, Terminal& terminal) {
  ClientCommand command("x509 rotate");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(prepared, prepare(socket));
    STEEPLE_TRY(response, activate(socket, prepared.prepared_authority().authority_id()));
    terminal.out("Activated X.509 authority:\n" + format_state(response.activated_authority()));
    return {};
  });
}

int run_x509_taint(const Words& arguments, Terminal& terminal) {
  return run_with_id(
      "taint", arguments, terminal, [](const std::string& socket, const std::string& id, Terminal& to) -> Result<void> {
        v1::TaintX509AuthorityRequest request;
        request.set_authority_id(id);
        STEEPLE_TRY(response, runtime::with_context(call<v1::TaintX509AuthorityResponse>(
                                                        socket, STEEPLE_AUTHORITY_RPC("TaintX509Authority"), request),
                                                    "could not taint X.509 authority"));
        to.out("Tainted X.509 authority:\n" + format_state(response.tainted_authority()));
        return {};
      });
}

int run_x509_revoke(const Words& arguments, Terminal& terminal) {
  return run_with_id(
      "revoke", arguments, terminal,
      [](const std::string& socket, const std::string& id, Terminal& to) -> Result<void> {
        v1::RevokeX509AuthorityRequest request;
        request.set_authority_id(id);
        STEEPLE_TRY(response, runtime::with_context(call<v1::RevokeX509AuthorityResponse>(
                                                        socket, STEEPLE_AUTHORITY_RPC("RevokeX509Authority"), request),
                                                    "could not revoke X.509 authority"));
        to.out("Revoked X.509 authority:\n" + format_state(response.revoked_authority()));
        return {};
      });
}

}  // namespace steeple::devserver
