// What every RPC of the server works on, and how RPCs are registered: a table of paths, who may call, and functions
// (server-sync 8). Owned by the server; outlives all calls. I/O thread only.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "agent/spiffe/trust_domain.h"
#include "deploy/devserver/access.h"
#include "deploy/devserver/attestors/attestor.h"
#include "deploy/devserver/ca/authorities.h"
#include "deploy/devserver/services/sync_session.h"
#include "runtime/core/log.h"
#include "runtime/grpc/service.h"
#include "runtime/task/worker_pool.h"

namespace spire::api::types {
class Bundle;
}

namespace steeple::devserver {

// Faults that tests ask for (block `development` of server.conf).
struct Faults {
  bool without_sync_authorized_entries = false;  // UNIMPLEMENTED, as servers before 1.8.7
  bool agents_must_reattest = false;             // RenewAgent always asks for it
  std::set<std::string> unsignable;              // SPIFFE IDs whose X509-SVIDs fail to be signed
};

struct ServerSettings {
  agent::TrustDomain trust_domain;
  std::chrono::seconds x509_svid_ttl{3600};
  std::chrono::seconds jwt_svid_ttl{300};
  std::chrono::seconds agent_ttl{3600};
  std::size_t sync_page_size = kSyncPageSize;
  Faults faults;
};

class CallerCounts;
class FederationManager;

struct ServerContext {
  const ServerSettings& settings;
  const runtime::Clock& clock;
  Datastore& datastore;
  Authorities& authorities;
  Access& access;
  const AttestorTable& attestors;
  runtime::WorkerPool& workers;
  runtime::Logger log;
  std::function<void()> authorities_changed;  // the server may need a new SVID, and others the bundle

  // Set before anything is served.
  FederationManager* federation = nullptr;
  CallerCounts* callers = nullptr;

  std::int64_t now() const { return unix_seconds(clock.wall_now()); }
};

struct Rpc {
  using Handler = runtime::Task<runtime::grpc::Status> (*)(ServerContext&, runtime::grpc::ServerCall&, const Caller&);
  std::string_view path;
  runtime::grpc::MethodKind kind;
  unsigned allowed;  // Allow bits
  Handler handler;
};

// Puts the access check before each handler. Outlives the ServiceTable it fills.
class RpcTable {
 public:
  explicit RpcTable(ServerContext& context) : context_(context) {}
  void add(std::span<const Rpc> rpcs);
  const runtime::grpc::ServiceTable& table() const { return table_; }

 private:
  struct Guarded {
    ServerContext& context;
    Rpc rpc;
  };
  static runtime::Task<runtime::grpc::Status> guard(void* guarded, runtime::grpc::ServerCall& call);
  ServerContext& context_;
  std::vector<std::unique_ptr<Guarded>> guarded_;
  runtime::grpc::ServiceTable table_;
};

// The services; each adds its methods.
void add_agent_service(RpcTable& table);
void add_entry_service(RpcTable& table, const ServerSettings& settings);
void add_svid_service(RpcTable& table);
void add_bundle_service(RpcTable& table);
void add_local_authority_service(RpcTable& table);
void add_trust_domain_service(RpcTable& table);
void add_health_service(RpcTable& table);

spire::api::types::Bundle own_bundle(const ServerContext& context);

}  // namespace steeple::devserver
