// LevelDB's files (google/leveldb, doc/log_format.md, table_format.md, impl.md): the reading of journals, manifests and
// tables, and the writing of journals and manifests. What is wanted of it here is a map of a few names. Foreign input.
// Pure.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr std::size_t kLevelDbFileBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kLevelDbBlockBytesMax = 8 * 1024 * 1024;   // decompressed
inline constexpr std::size_t kLevelDbTableBytesMax = 32 * 1024 * 1024;  // decompressed
inline constexpr std::size_t kLevelDbTablesMax = 256;
inline constexpr std::size_t kLevelDbRecordsMax = 100'000;  // of one file

// What is known of each key: the newest value, or nothing after its removal.
class LevelDbEntries {
 public:
  void set(std::string key, std::uint64_t sequence, std::optional<std::string> value);
  std::map<std::string, std::string> live() const;

 private:
  struct Versioned {
    std::uint64_t sequence;
    std::optional<std::string> value;
  };
  std::map<std::string, Versioned> entries_;
};

struct LevelDbManifest {
  std::string comparator;
  std::uint64_t journal = 0;  // those before it are in tables
  std::uint64_t previous_journal = 0;
  std::uint64_t next_file = 0;
  std::set<std::uint64_t> tables;
};

// A journal and a manifest are lists of records. A last record that is cut off is as good as not written; kMalformed: a
// checksum that is not the record's.
runtime::Result<std::vector<runtime::Bytes>> read_records(runtime::BytesView file);
runtime::Bytes write_records(const std::vector<runtime::Bytes>& records);

runtime::Result<LevelDbManifest> read_manifest(runtime::BytesView file);
runtime::Bytes write_manifest(const LevelDbManifest& manifest);  // without tables

runtime::Result<void> read_journal(runtime::BytesView file, LevelDbEntries& entries);
runtime::Bytes write_journal(const std::map<std::string, std::string>& entries);

runtime::Result<void> read_table(runtime::BytesView file, LevelDbEntries& entries);

}  // namespace steeple::attestation
