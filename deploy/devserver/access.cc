#include "deploy/devserver/access.h"

#include <fmt/format.h>

#include "agent/spiffe/x509_svid.h"
#include "deploy/devserver/ca/profile.h"
#include "google/protobuf/any.pb.h"
#include "google/rpc/status.pb.h"
#include "spire/api/types/entry.pb.h"
#include "spire/api/types/status.pb.h"

namespace steeple::devserver {

using runtime::Result;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

Status permission_denied(std::string message, std::optional<DeniedReason> reason) {
  if (!reason) return Status(StatusCode::kPermissionDenied, std::move(message));
  spire::api::types::PermissionDeniedDetails details;
  details.set_reason(static_cast<spire::api::types::PermissionDeniedDetails::Reason>(*reason));
  google::rpc::Status status;
  status.set_code(static_cast<int>(StatusCode::kPermissionDenied));
  status.set_message(message);
  auto* any = status.add_details();
  any->set_type_url("type.googleapis.com/spire.api.types.PermissionDeniedDetails");
  any->set_value(details.SerializeAsString());
  return Status(StatusCode::kPermissionDenied, std::move(message), status.SerializeAsString());
}

Result<Caller> identify(const runtime::grpc::CallPeer& peer) {
  Caller caller;
  caller.local = peer.process != nullptr;
  if (peer.certificates == nullptr || peer.certificates->empty()) return caller;
  STEEPLE_TRY(leaf, runtime::Certificate::parse(peer.certificates->front()));
  STEEPLE_TRY(id, agent::spiffe_id_of(leaf));
  caller.spiffe_id = id.text();
  caller.serial = leaf.serial_decimal();
  caller.not_after = unix_seconds(leaf.not_after());
  return caller;
}

Status Access::decide(const Caller& caller, unsigned allowed, std::string_view path) {
  if ((allowed & kAnyone) != 0) return Status::ok();
  if ((allowed & kLocal) != 0 && caller.local) return Status::ok();
  std::int64_t now = unix_seconds(clock_.wall_now());
  if ((allowed & kAdmin) != 0 && !caller.spiffe_id.empty() && caller.not_after >= now) {
    auto is_admin = [](const spire::api::types::Entry& entry) { return entry.admin(); };
    if (datastore_.entries().index().any_of_id(caller.spiffe_id, is_admin, now)) return Status::ok();
  }
  if ((allowed & kAgent) != 0 && !caller.local && !caller.spiffe_id.empty()) return check_agent(caller, path);
  return permission_denied(fmt::format("authorization denied for method {}", path), std::nullopt);
}

Status Access::check_agent(const Caller& caller, std::string_view path) {
  auto denied = [&](DeniedReason reason) {
    return permission_denied(fmt::format("authorization denied for method {}", path), reason);
  };
  if (caller.not_after < unix_seconds(clock_.wall_now())) return denied(DeniedReason::kAgentExpired);
  const AgentRecord* known = datastore_.agents().find(caller.spiffe_id);
  if (known == nullptr) return denied(DeniedReason::kAgentNotAttested);
  if (known->banned()) return denied(DeniedReason::kAgentBanned);
  if (caller.serial == known->serial) return Status::ok();
  if (known->pending_serial.empty() || caller.serial != known->pending_serial) {
    return denied(DeniedReason::kAgentNotActive);
  }
  AgentRecord agent = *known;
  agent.serial = std::exchange(agent.pending_serial, "");
  agent.expires_at = std::exchange(agent.pending_expires_at, 0);
  auto promoted = datastore_.write([&] { return datastore_.agents().put(agent); });
  if (!promoted) return Status(StatusCode::kInternal, "unable to update agent: " + promoted.error().message());
  return Status::ok();
}

}  // namespace steeple::devserver
