// Who this agent is to the server, from the first bundle to the last rotation: the one writer of the agent SVID and of
// the own bundle, in memory and on disk. Owned by the app. I/O thread only. establish(), rotate_until_stopped() and
// recover() run one after the other; each ends soon after its token stops.
//
//   co_await identity.establish(stop);                       // bundle, then stored SVID or node attestation; for ever
//   ServerClient client(links.agent_channels(identity.identity_provider(), identity.authorities_provider()));
//   for (;;) { run the syncer and rotate_until_stopped() until one ends; co_await identity.recover(why, ...); }
//
// Rules: server-sync 1.2-1.4, 1.7, 2, 3.9, 6. What cannot be written to disk is logged, kept in memory and tried again.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "agent/node/agent_svid.h"
#include "agent/node/bootstrap_progress.h"
#include "agent/node/bundle_source.h"
#include "agent/node/retry_schedule.h"
#include "agent/node/server_links.h"
#include "agent/server/server_client.h"
#include "agent/spiffe/rotation_policy.h"
#include "agent/storage/storage.h"
#include "attestation/node/attestor.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kAttestationTimeout{60};
inline constexpr std::chrono::seconds kRotationLockTimeout{60};  // calls under way take at most 30 s
inline constexpr int kBundleAttempts =
    3;  // GetBundle after an attestation, before the bundle we connected with must do
inline constexpr std::chrono::seconds kBundleAttemptSpacing{1};

// Waits that long, or until stopped. Tests move their clock instead.
using Pause =
    std::function<runtime::Task<runtime::Result<void>>(std::chrono::nanoseconds wait, runtime::StopToken stop)>;

// For metrics, all optional; `status` is a gRPC code's name with static storage.
struct NodeIdentityEvents {
  using CallEnded = std::function<void(std::string_view status, std::chrono::nanoseconds elapsed)>;
  std::function<void(const BootstrapState& state)> bootstrap_changed;  // and once at the start
  // The first attestation with the fetch of the bundle, each try.
  std::function<void(std::string_view attestor, std::string_view status, std::chrono::nanoseconds elapsed)> attested;
  CallEnded reattested;
  CallEnded renewed;
};

struct NodeIdentityOptions {
  TrustDomain trust_domain;
  RebootstrapMode rebootstrap_mode = RebootstrapMode::kNever;
  std::chrono::nanoseconds rebootstrap_delay = std::chrono::minutes(10);
  std::chrono::nanoseconds availability_target{0};
  runtime::RandomUnit random;  // empty: the system's
  Pause pause;                 // empty: the loop's timer
  NodeIdentityEvents events;
};

enum class SyncPhase { kFirstSync, kRunning };

class NodeIdentity {
 public:
  // All references outlive the object. `log` is the root logger.
  NodeIdentity(runtime::Loop& loop, const runtime::Clock& clock, Storage& storage, KeyManager& keys,
               attestation::NodeAttestor& attestor, BundleSource& bundle_source, AttestationChannelFactory channels,
               NodeIdentityOptions options, runtime::Logger log);
  ~NodeIdentity();
  NodeIdentity(const NodeIdentity&) = delete;
  NodeIdentity& operator=(const NodeIdentity&) = delete;

  // Until there is an SVID and a bundle. Ends with an error when stopped, when the server denies us (banned), or when
  // the node attestor has had nothing to show for a minute.
  runtime::Task<runtime::Result<void>> establish(runtime::StopToken stop);

  // Keeps the SVID fresh. Ends with a value when stopped, or with the failure that recover() is for.
  runtime::Task<ServerResult<void>> rotate_until_stopped(ServerClient& server, runtime::StopToken stop);

  // After a sync or a rotation ended with a failure of class kReattest, kBanned or kUnknownAuthority. A value: go on
  // (the wait that the failure asks for is over). An error: the process ends with it; the SVID is dropped where that is
  // due.
  runtime::Task<runtime::Result<void>> recover(ServerError failure, SyncPhase phase, ServerClient& server,
                                               runtime::StopToken stop);

  // From the syncer: each change of the own bundle; each successful pass; newly tainted authorities.
  void set_bundle(SharedBundle bundle);
  void note_sync_success();
  void note_tainted(const runtime::Certificates& authorities);
  void drop_svid();  // from memory and disk

  const SharedAgentSvid& svid() const;  // null before establish()
  const SharedBundle& bundle() const;   // null before the first
  runtime::IdentityProvider identity_provider();
  AuthoritiesProvider authorities_provider();
  const BootstrapState& bootstrap_state() const;  // for the gauges
  std::uint64_t rotations() const;                // SVIDs taken since the start

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace steeple::agent
