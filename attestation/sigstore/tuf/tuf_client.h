// The client of an update repository: which metadata is believed, and what is asked for next (TUF 1.0.19, section 5;
// the workflow and texts of go-tuf 0.7, which Sigstore's clients use). Fed with files and with the time; does no I/O.
// Only targets of the top level are known.
//
// An update: take_root() with each next root until there is none, finish_roots(), take_timestamp(); unless that says
// there is nothing new, take_snapshot(), and take_targets() where wanted. Then verify() and targets().
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "attestation/sigstore/tuf/tuf_metadata.h"

namespace steeple::attestation {

inline constexpr std::size_t kTufRootBytesMax = 512000;
inline constexpr std::size_t kTufTimestampBytesMax = 16384;
inline constexpr int kTufRootRotationsMax = 1000;

using TufStore = std::map<std::string, std::string>;  // by name: "root.json"

class TufClient {
 public:
  // `local` is what was kept of the last time; its root, or `root` where it has none, is the one to begin with.
  static runtime::Result<TufClient> open(TufStore local, std::string_view root);

  // There is no timestamp, or an expired one.
  bool is_stale(runtime::WallTime now) const;

  std::string next_root_name() const;  // "13.root.json"
  runtime::Result<void> take_root(std::string json);
  runtime::Result<void> finish_roots(runtime::WallTime now);
  runtime::Result<bool> take_timestamp(std::string json, runtime::WallTime now);  // false: the same as before
  runtime::Result<void> take_snapshot(std::string json, runtime::WallTime now);
  bool wants_targets() const;  // they are not those of the snapshot yet
  runtime::Result<void> take_targets(std::string json, runtime::WallTime now);

  // Where the repository has a file: "7.snapshot.json" with consistent snapshots. `length_max` bounds it.
  struct Wanted {
    std::string name;
    std::size_t length_max;
  };
  Wanted wanted_snapshot() const;
  Wanted wanted_targets() const;
  bool consistent_snapshot() const { return root_.consistent_snapshot; }

  // That what is kept fits together, is signed and not expired.
  runtime::Result<void> verify(runtime::WallTime now);
  const std::map<std::string, TufTarget>& targets() const { return targets_; }
  const TufStore& store() const { return store_; }

 private:
  explicit TufClient(TufStore local) : store_(std::move(local)) {}
  runtime::Result<void> load_root(const std::string& json);
  runtime::Result<TufMetadata> trusted(TufRole role, const std::string& json) const;
  runtime::Result<TufMetadata> current(TufRole role, const std::string& json, std::int64_t version_min,
                                       runtime::WallTime now) const;
  runtime::Result<void> load_local();
  runtime::Result<void> check_snapshot(const TufMetadata& snapshot) const;
  void forget_rotated();
  Wanted wanted(TufRole role, const TufFile& file) const;

  TufStore store_;
  TufMetadata root_;
  std::map<std::string, TufRoleKeys> first_roles_;  // of the root that the update began with
  std::optional<TufMetadata> snapshot_;             // the local one, signed by the present root's keys
  std::int64_t timestamp_version_ = 0;
  std::int64_t snapshot_version_ = 0;
  std::int64_t targets_version_ = 0;
  TufFile snapshot_file_;
  TufFile targets_file_;
  bool targets_local_ = false;  // targets.json of the store is signed by the present root's keys
  std::map<std::string, TufTarget> targets_;
};

// A threshold of the role's keys has signed. `role` is a name in the root's roles.
runtime::Result<void> verify_tuf_signatures(const TufMetadata& metadata, const TufMetadata& root, TufRole role);

}  // namespace steeple::attestation
