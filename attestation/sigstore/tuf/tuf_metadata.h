// A metadata file of an update repository (TUF 1.0, section 4), as far as Sigstore's client reads it: root, timestamp,
// snapshot and top-level targets; delegations are passed over. Foreign input: nothing of it is believed before its
// signatures are. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/sigstore/tuf/tuf_key.h"
#include "runtime/core/clock.h"

namespace steeple::attestation {

inline constexpr std::size_t kTufMetadataBytesMax = 4 * 1024 * 1024;
inline constexpr std::size_t kTufItemsMax = 1024;  // signatures, keys, roles, key ids of a role, files, targets

enum class TufRole { kRoot, kTimestamp, kSnapshot, kTargets };
std::string_view to_string(TufRole role);  // "root"
std::string tuf_file_name(TufRole role);   // "root.json"

using TufHashes = std::map<std::string, runtime::Bytes>;  // by algorithm: "sha256", "sha512"

struct TufFile {
  std::int64_t version = 0;
  std::uint64_t length = 0;  // 0: not said
  TufHashes hashes;          // empty: not said
};

struct TufTarget {
  std::uint64_t length = 0;
  TufHashes hashes;
  std::string usage;    // of the custom member `sigstore`: "fulcio", "rekor", "ctfe" in lower case; empty: none
  bool active = false;  // its status
};

struct TufSignature {
  std::string key_id;
  runtime::Bytes signature;
};

struct TufRoleKeys {
  std::set<std::string> key_ids;
  std::int64_t threshold = 0;
};

struct TufMetadata {
  std::string signed_bytes;  // in canonical form: what the signatures are of
  std::vector<TufSignature> signatures;
  std::string type;  // lower case
  std::int64_t version = 0;
  runtime::WallTime expires = runtime::WallTime::min();
  // A root's.
  std::map<std::string, TufKey> keys;
  std::map<std::string, TufRoleKeys> roles;
  bool consistent_snapshot = false;
  std::map<std::string, TufFile> files;      // a timestamp's and a snapshot's, by name: "snapshot.json"
  std::map<std::string, TufTarget> targets;  // a targets file's, by name
};

// kMalformed, kLimit; kInvalidArgument: a key or a threshold that cannot be.
runtime::Result<TufMetadata> parse_tuf_metadata(std::string_view json);

// What the bytes have to be. Texts are go-tuf's.
runtime::Result<void> check_tuf_hashes(std::string_view bytes, const TufHashes& hashes);

}  // namespace steeple::attestation
