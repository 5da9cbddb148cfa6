// What a workload is told: its identities and bundles at one moment. Immutable; shared by all subscribers with the same
// selectors, and so is its encoded form, which is made when it is first asked for (endpoints 1.10 and 2.1).
// I/O thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "agent/entry/registration_entry.h"
#include "agent/spiffe/bundle.h"
#include "agent/spiffe/x509_svid.h"
#include "runtime/core/shared_bytes.h"

namespace steeple::agent {

using SharedX509Svid = std::shared_ptr<const X509Svid>;

class Identity {
 public:
  Identity(SharedEntry entry, SharedX509Svid svid) : entry_(std::move(entry)), svid_(std::move(svid)) {}
  const RegistrationEntry& entry() const { return *entry_; }
  const X509Svid& svid() const { return *svid_; }

 private:
  SharedEntry entry_;
  SharedX509Svid svid_;
};

class WorkloadUpdate {
 public:
  // `identities` in order of entry id; `federated` in order of trust domain.
  WorkloadUpdate(std::vector<Identity> identities, SharedBundle own, std::vector<SharedBundle> federated);
  ~WorkloadUpdate();
  WorkloadUpdate(const WorkloadUpdate&) = delete;
  WorkloadUpdate& operator=(const WorkloadUpdate&) = delete;

  std::span<const Identity> identities() const { return identities_; }  // empty: no identity issued
  const SharedBundle& own_bundle() const { return own_; }               // null before the first sync
  std::span<const SharedBundle> federated_bundles() const { return federated_; }

  // The hint filter (endpoints 2.1): positions in identities() that FetchX509SVID leaves out, ascending. Each is worth
  // a warning `Ignoring entry with duplicate hint` (hint, entry_id) per message sent.
  std::span<const std::uint32_t> ignored_hints() const { return ignored_; }
  bool is_ignored(std::size_t position) const;
  std::size_t served_count() const { return identities_.size() - ignored_.size(); }

  // An X509SVIDResponse with its gRPC prefix, ready for ServerCall::send; wiped with its last owner. Holds private
  // keys.
  const runtime::SharedBytes& x509_svid_response() const;

 private:
  std::vector<Identity> identities_;
  SharedBundle own_;
  std::vector<SharedBundle> federated_;
  std::vector<std::uint32_t> ignored_;
  mutable runtime::SharedBytes x509_svid_response_;
};

// The positions that lose by the hint filter; ascending.
std::vector<std::uint32_t> positions_with_lost_hints(std::span<const Identity> identities);
std::vector<std::uint32_t> positions_with_lost_hints(std::span<const SharedEntry> entries);

}  // namespace steeple::agent
