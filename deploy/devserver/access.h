// Who may call what (server-sync 8.2 and 8.3). Access::decide is the policy, sans I/O; it reads the agent and entry
// stores. Refusals carry PermissionDeniedDetails in the status details, which decide what an agent does next
// (server-sync 2.6).
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "deploy/devserver/datastore/stores.h"
#include "runtime/core/clock.h"
#include "runtime/grpc/call.h"
#include "runtime/grpc/status.h"

namespace steeple::devserver {

// Who is allowed, combined with |.
enum Allow : unsigned { kAnyone = 1, kLocal = 2, kAdmin = 4, kAgent = 8 };

enum class DeniedReason {  // PermissionDeniedDetails.Reason
  kUnknown = 0,
  kAgentExpired = 1,
  kAgentNotAttested = 2,
  kAgentNotActive = 3,
  kAgentBanned = 4,
  kAgentMustReattest = 5,
};
runtime::grpc::Status permission_denied(std::string message, std::optional<DeniedReason> reason);

// What a connection proves. Neither local nor with an ID: a TLS peer without a certificate.
struct Caller {
  bool local = false;
  std::string spiffe_id;
  std::string serial;  // decimal
  std::int64_t not_after = 0;
};
runtime::Result<Caller> identify(const runtime::grpc::CallPeer& peer);

class Access {
 public:
  Access(Datastore& datastore, const runtime::Clock& clock) : datastore_(datastore), clock_(clock) {}

  // OK, or PERMISSION_DENIED "authorization denied for method PATH". An agent's first call with a renewed SVID makes
  // that SVID its current one.
  runtime::grpc::Status decide(const Caller& caller, unsigned allowed, std::string_view path);

 private:
  runtime::grpc::Status check_agent(const Caller& caller, std::string_view path);
  Datastore& datastore_;
  const runtime::Clock& clock_;
};

}  // namespace steeple::devserver
