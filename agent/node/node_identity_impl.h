// The inside of NodeIdentity, shared by its three sources: start (node_identity_start.cc), rotation
// (node_identity_rotation.cc) and recovery (node_identity_recovery.cc). No one else includes it. `wanted_` is what
// should be on disk; save() writes it whenever it differs from what is.
#pragma once

#include "agent/node/attestation.h"
#include "agent/node/node_identity.h"
#include "runtime/task/signal.h"

namespace steeple::agent {

class NodeIdentity::Impl {
 public:
  Impl(runtime::Loop& loop, const runtime::Clock& clock, Storage& storage, KeyManager& keys,
       attestation::NodeAttestor& attestor, BundleSource& source, AttestationChannelFactory channels,
       NodeIdentityOptions options, runtime::Logger log);

  runtime::Task<runtime::Result<void>> establish(runtime::StopToken stop);
  runtime::Task<ServerResult<void>> rotate_until_stopped(ServerClient& server, runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> recover(ServerError failure, SyncPhase phase, ServerClient& server,
                                               runtime::StopToken stop);
  void set_bundle(SharedBundle bundle);
  void note_sync_success();
  void note_tainted(const runtime::Certificates& authorities);
  void drop_svid();

  const SharedAgentSvid& svid() const { return svid_; }
  const SharedBundle& bundle() const { return bundle_; }
  const BootstrapState& bootstrap_state() const { return progress_.state(); }
  std::uint64_t rotations() const { return rotations_; }
  runtime::Certificates authorities() const;

 private:
  // node_identity_start.cc
  runtime::Task<AttestationResult<void>> attempt_start(runtime::StopToken stop);
  runtime::Task<AttestationResult<ServerTrust>> find_trust(runtime::StopToken stop);
  runtime::Task<AttestationResult<void>> load_stored(ManagedKey key, ServerTrust trust, runtime::Logger log,
                                                     runtime::StopToken stop);
  runtime::Task<AttestationResult<void>> attest_first(std::optional<ManagedKey> current, ServerTrust trust,
                                                      runtime::Logger log, runtime::StopToken stop);
  runtime::Task<AttestationResult<void>> fetch_bundle(RpcChannel& channel, const ServerTrust& trust,
                                                      runtime::StopToken stop);
  runtime::Result<void> check_mode();
  void note_untrusted_at_start();
  std::optional<ManagedKey> examine_disk(bool& usable);
  std::chrono::nanoseconds local_failure_max() const;

  // node_identity_rotation.cc
  runtime::Task<ServerResult<void>> rotate_once(ServerClient& server, runtime::StopToken stop);
  runtime::Task<ServerResult<void>> renew(ServerClient& server, runtime::StopToken stop);
  runtime::Task<ServerResult<void>> reattest(ServerClient& server, runtime::StopToken stop);
  bool rotation_due() const;
  std::string_view rotation_failure_text() const;

  // node_identity_recovery.cc
  runtime::Task<runtime::Result<void>> recover_by_reattestation(ServerError failure, SyncPhase phase,
                                                                ServerClient& server, runtime::StopToken stop);
  runtime::Task<AttestationResult<void>> reattest_until_done(ServerClient& server, runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> wait_for_trust(SyncPhase phase, runtime::StopToken stop);
  runtime::Error force_rebootstrap(SyncPhase phase);

  // node_identity.cc
  void adopt(SharedAgentSvid svid);
  void remember_authorities(const runtime::Certificates& authorities);
  void note_progress_success();
  void save();
  void tell_bootstrap();
  void log_save_failure(const runtime::Error& error);
  runtime::Task<runtime::Result<void>> pause(std::chrono::nanoseconds wait, runtime::StopToken stop);
  template <class Ended>
  void tell(const NodeIdentityEvents::CallEnded& event, runtime::SteadyTime began, const Ended& ended) const {
    if (event) event(ended ? "OK" : ended.error().code_name(), clock_.now() - began);
  }
  AttestationTools tools() const { return {keys_, attestor_, clock_, options_.trust_domain}; }

  runtime::Loop& loop_;
  const runtime::Clock& clock_;
  Storage& storage_;
  KeyManager& keys_;
  attestation::NodeAttestor& attestor_;
  BundleSource& source_;
  AttestationChannelFactory channels_;
  NodeIdentityOptions options_;
  runtime::Logger log_;
  runtime::Logger attestor_log_;
  runtime::Logger manager_log_;
  runtime::Logger sources_log_;

  AgentData wanted_;
  std::string save_failure_;  // the last one told, so that each tells once
  BootstrapProgress progress_;
  std::optional<BootstrapState> told_bootstrap_;
  RebootstrapMode mode_;
  RotationPolicy policy_;
  RetrySchedule untrusted_schedule_;
  runtime::Signal wake_;
  SharedAgentSvid svid_;
  SharedBundle bundle_;
  bool tainted_ = false;
  std::uint64_t rotations_ = 0;
};

}  // namespace steeple::agent
