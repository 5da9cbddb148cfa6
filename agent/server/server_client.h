// The calls an agent makes on its mTLS connection, typed (server-sync 2.4, 3). One lazily made channel, shared; it is
// let go after any failed call (GetFederatedBundle excepted) and by drop_channel() after a rotation; calls under way
// keep it. Each ordinary call shares the rotation lock for its whole length. Deadlines are the caller's, at most 30 s.
// I/O thread only.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "agent/entry/entry_diff.h"
#include "agent/server/bundle_answers.h"
#include "agent/server/channel_slot.h"
#include "agent/server/rotation_lock.h"
#include "agent/server/rpc_channel.h"
#include "agent/server/server_error.h"
#include "agent/spiffe/bundle.h"
#include "agent/spiffe/jwt_svid.h"
#include "runtime/core/log.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {

class EntryExchange;

inline constexpr std::chrono::seconds kServerCallTimeout{30};
inline constexpr std::size_t kSvidBatchMax = 500;  // more are refused by the server (RESOURCE_EXHAUSTED)

class CsrItem {
 public:
  CsrItem(std::string id, runtime::Bytes request) : entry_id(std::move(id)), csr(std::move(request)) {}
  std::string entry_id;
  runtime::Bytes csr;
};

// Concatenated DER, leaf first; or why this one was not signed.
using MintedChain = runtime::Result<runtime::Bytes, runtime::grpc::Status>;

class ServerClient {
 public:
  virtual ~ServerClient() = default;

  // SyncAuthorizedEntries, or GetAuthorizedEntries with servers that do not have it. `entries` changes as a whole or
  // not at all. Error prefix `failed to fetch authorized entries: `.
  virtual runtime::Task<ServerResult<EntryDiff>> sync_entries(EntrySet& entries, runtime::Deadline deadline,
                                                              runtime::StopToken stop) = 0;
  // The own trust domain's. A malformed certificate or key is an error.
  virtual runtime::Task<ServerResult<SharedBundle>> get_bundle(runtime::Deadline deadline, runtime::StopToken stop) = 0;
  // Null: the server does not have it (that is logged). kMalformed: it cannot be read, and the known one stays.
  virtual runtime::Task<ServerResult<SharedBundle>> get_federated_bundle(TrustDomain trust_domain,
                                                                         runtime::Deadline deadline,
                                                                         runtime::StopToken stop) = 0;
  // One answer per item, in the order asked.
  virtual runtime::Task<ServerResult<std::vector<MintedChain>>> batch_new_x509_svid(std::vector<CsrItem> items,
                                                                                    runtime::Deadline deadline,
                                                                                    runtime::StopToken stop) = 0;
  // For an entry of this agent. Error prefix `failed to fetch JWT SVID: `; the server's status is kept.
  virtual runtime::Task<ServerResult<SharedJwtSvid>> new_jwt_svid(std::string entry_id,
                                                                  std::vector<std::string> audience,
                                                                  runtime::Deadline deadline,
                                                                  runtime::StopToken stop) = 0;
  // For the rotation, which holds the lock alone: takes no lock itself. Gives the chain, concatenated DER.
  virtual runtime::Task<ServerResult<runtime::Bytes>> renew_agent(runtime::Bytes csr, runtime::Deadline deadline,
                                                                  runtime::StopToken stop) = 0;
  virtual runtime::Task<ServerResult<void>> post_status(std::string agent_version, runtime::Deadline deadline,
                                                        runtime::StopToken stop) = 0;

  virtual RotationLock& rotation_lock() = 0;
  virtual void drop_channel() = 0;  // the next call makes a new one, with the identity of then
};

struct ServerClientOptions {
  bool use_sync_authorized_entries = true;  // experimental.use_sync_authorized_entries
};

class GrpcServerClient final : public ServerClient {
 public:
  // `log`: of subsystem "manager".
  GrpcServerClient(runtime::Loop& loop, RpcChannelFactory factory, ServerClientOptions options, runtime::Logger log);
  ~GrpcServerClient() override;  // after close()

  runtime::Task<ServerResult<EntryDiff>> sync_entries(EntrySet& entries, runtime::Deadline deadline,
                                                      runtime::StopToken stop) override;
  runtime::Task<ServerResult<SharedBundle>> get_bundle(runtime::Deadline deadline, runtime::StopToken stop) override;
  runtime::Task<ServerResult<SharedBundle>> get_federated_bundle(TrustDomain trust_domain, runtime::Deadline deadline,
                                                                 runtime::StopToken stop) override;
  runtime::Task<ServerResult<std::vector<MintedChain>>> batch_new_x509_svid(std::vector<CsrItem> items,
                                                                            runtime::Deadline deadline,
                                                                            runtime::StopToken stop) override;
  runtime::Task<ServerResult<SharedJwtSvid>> new_jwt_svid(std::string entry_id, std::vector<std::string> audience,
                                                          runtime::Deadline deadline, runtime::StopToken stop) override;
  runtime::Task<ServerResult<runtime::Bytes>> renew_agent(runtime::Bytes csr, runtime::Deadline deadline,
                                                          runtime::StopToken stop) override;
  runtime::Task<ServerResult<void>> post_status(std::string agent_version, runtime::Deadline deadline,
                                                runtime::StopToken stop) override;
  RotationLock& rotation_lock() override;
  void drop_channel() override;

  runtime::Task<void> close(runtime::StopReason reason);  // joins everything

 private:
  runtime::Task<ServerResult<runtime::Bytes>> unary(ChannelSlot::Lease& lease, const char* path, runtime::Bytes request,
                                                    runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<ServerResult<void>> stream_entries(ChannelSlot::Lease& lease, EntryExchange& exchange,
                                                   runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<ServerResult<void>> get_entries(ChannelSlot::Lease& lease, EntryExchange& exchange,
                                                runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<ServerResult<bool>> sync_or_unimplemented(ChannelSlot::Lease& lease, EntryExchange& exchange,
                                                          runtime::Deadline deadline, runtime::StopToken stop);
  void log_failure(const char* message, const ServerError& error);
  runtime::Result<std::vector<MintedChain>> read_minted(runtime::BytesView answer, const std::vector<std::string>& ids);

  ChannelSlot slot_;
  RotationLock lock_;
  BundleAnswers bundle_answers_;
  ServerClientOptions options_;
  runtime::Logger log_;
};

}  // namespace steeple::agent
