// The admin socket and its services, when `admin_socket_path` names one (endpoints 5.1). Owned by the app; stop()
// before it goes. I/O thread only.
#pragma once

#include <memory>
#include <optional>

#include "agent/admin/debug_service.h"
#include "agent/admin/delegated_identity.h"
#include "agent/admin/logger_service.h"
#include "agent/endpoints/endpoints.h"
#include "runtime/grpc/service.h"

namespace steeple::agent {

class AdminSide {
 public:
  // References outlive the object. `facts` is asked for each answer of the debug service.
  AdminSide(const runtime::Clock& clock, std::function<DebugFacts()> facts, const runtime::Logger& log);

  // Before start(): adds the service for callers that fetch on behalf of others. References outlive the object.
  // `first_update` is for metrics.
  void delegate_identities(CallerAttestor& callers, IdentitySource& identities, JwtSource& tokens, BundleFeed& bundles,
                           std::vector<std::string> delegates, DelegatedIdentityService::FirstUpdate first_update);

  // Makes the directory if there is none, binds, and accepts at once.
  runtime::Result<void> start(runtime::Loop& loop, SocketEngine& engine, const std::string& socket_path,
                              const runtime::Logger& log, runtime::grpc::CallObserver* observer);
  runtime::Task<void> stop();

 private:
  LoggerService logger_;
  DebugService debug_;
  std::optional<DelegatedIdentityService> delegated_;
  const runtime::Clock& clock_;
  runtime::Logger log_;
  runtime::grpc::ServiceTable table_;
  std::unique_ptr<Endpoint> endpoint_;
};

}  // namespace steeple::agent
