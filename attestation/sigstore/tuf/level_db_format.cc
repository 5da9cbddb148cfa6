#include "attestation/sigstore/tuf/level_db_format.h"

#include <array>

#include "attestation/sigstore/tuf/byte_reader.h"
#include "attestation/sigstore/tuf/snappy.h"

namespace steeple::attestation {
namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

constexpr std::size_t kBlockBytes = 32 * 1024;  // of a journal
constexpr std::size_t kChunkHeadBytes = 7;
constexpr std::size_t kBatchHeadBytes = 12;
constexpr std::size_t kBlockTrailerBytes = 5;  // of a table
constexpr std::size_t kFooterBytes = 48;
constexpr std::uint64_t kTableMagic = 0xdb4775248b80fb57;
constexpr std::uint8_t kValue = 1;  // 0: a removal

enum Chunk : std::uint8_t { kFull = 1, kFirst = 2, kMiddle = 3, kLast = 4 };
enum ManifestTag : std::uint8_t {
  kComparator = 1,
  kJournal = 2,
  kNextFile = 3,
  kLastSequence = 4,
  kCompactPointer = 5,
  kRemovedTable = 6,
  kAddedTable = 7,
  kPreviousJournal = 9,
};

Error malformed(std::string_view what) { return Error(ErrorCode::kMalformed, "leveldb: " + std::string(what)); }

// CRC-32C, turned and shifted as LevelDB stores it.
std::uint32_t masked_crc(BytesView bytes) {
  static const std::array<std::uint32_t, 256> kTable = [] {
    std::array<std::uint32_t, 256> table{};
    for (std::uint32_t i = 0; i < 256; ++i) {
      std::uint32_t value = i;
      for (int bit = 0; bit < 8; ++bit) value = (value & 1) != 0 ? value >> 1 ^ 0x82f63b78u : value >> 1;
      table[i] = value;
    }
    return table;
  }();
  std::uint32_t crc = ~std::uint32_t{0};
  for (std::uint8_t byte : bytes) crc = kTable[(crc ^ byte) & 255] ^ crc >> 8;
  crc = ~crc;
  return (crc >> 15 | crc << 17) + 0xa282ead8u;
}

void put_little_endian(Bytes& out, std::uint64_t value, std::size_t width) {
  for (std::size_t i = 0; i < width; ++i) out.push_back(static_cast<std::uint8_t>(value >> (8 * i)));
}

void put_varint(Bytes& out, std::uint64_t value) {
  for (; value >= 128; value >>= 7) out.push_back(static_cast<std::uint8_t>(value | 128));
  out.push_back(static_cast<std::uint8_t>(value));
}

void put_text(Bytes& out, std::string_view text) {
  put_varint(out, text.size());
  out.insert(out.end(), text.begin(), text.end());
}

void put_chunk(Bytes& out, std::uint8_t type, BytesView piece) {
  Bytes checked{type};
  checked.insert(checked.end(), piece.begin(), piece.end());
  put_little_endian(out, masked_crc(checked), 4);
  put_little_endian(out, piece.size(), 2);
  out.insert(out.end(), checked.begin(), checked.end());
}

void put_record(Bytes& out, BytesView record) {
  bool first = true;
  do {
    std::size_t room = kBlockBytes - out.size() % kBlockBytes;
    if (room < kChunkHeadBytes) {
      out.resize(out.size() + room);
      room = kBlockBytes;
    }
    const BytesView piece = record.first(std::min(record.size(), room - kChunkHeadBytes));
    record = record.subspan(piece.size());
    const bool last = record.empty();
    put_chunk(out, first ? (last ? kFull : kFirst) : (last ? kLast : kMiddle), piece);
    first = false;
  } while (!record.empty());
}

// The members of an edit that are not kept are read over.
void read_edit_member(std::uint64_t tag, ByteReader& from, LevelDbManifest& out, bool& known) {
  if (tag == kComparator) {
    out.comparator = runtime::to_text(from.with_length());
  } else if (tag == kJournal) {
    out.journal = from.varint();
  } else if (tag == kNextFile) {
    out.next_file = from.varint();
  } else if (tag == kLastSequence) {
    from.varint();
  } else if (tag == kPreviousJournal) {
    out.previous_journal = from.varint();
  } else if (tag == kCompactPointer) {
    from.varint();
    from.with_length();
  } else if (tag == kRemovedTable) {
    from.varint();
    out.tables.erase(from.varint());
  } else if (tag == kAddedTable) {
    from.varint();
    out.tables.insert(from.varint());
    from.varint();
    from.with_length();
    from.with_length();
  } else {
    known = false;
  }
}

Result<void> read_batch(BytesView record, LevelDbEntries& entries) {
  ByteReader from(record);
  std::uint64_t sequence = from.little_endian(8);
  from.little_endian(4);
  while (from.good() && !from.at_end()) {
    const std::uint64_t type = from.little_endian(1);
    std::string key = runtime::to_text(from.with_length());
    std::optional<std::string> value;
    if (type == kValue) value = runtime::to_text(from.with_length());
    if (!from.good() || type > kValue) break;
    entries.set(std::move(key), sequence++, std::move(value));
  }
  if (from.good() && from.at_end()) return {};
  return malformed("a batch that is none");
}

struct BlockHandle {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

BlockHandle read_handle(ByteReader& from) {
  const std::uint64_t offset = from.varint();
  return {offset, from.varint()};
}

Result<Bytes> read_block(BytesView file, BlockHandle handle) {
  if (handle.offset > file.size() || handle.size > file.size() - handle.offset ||
      file.size() - handle.offset - handle.size < kBlockTrailerBytes) {
    return malformed("a block outside of its table");
  }
  ByteReader trailer(file.subspan(handle.offset + handle.size, kBlockTrailerBytes));
  const std::uint64_t type = trailer.little_endian(1);
  if (masked_crc(file.subspan(handle.offset, handle.size + 1)) != trailer.little_endian(4)) {
    return malformed("a block's checksum is wrong");
  }
  const BytesView block = file.subspan(handle.offset, handle.size);
  if (type == 0) return runtime::to_bytes(block);
  if (type != 1) return malformed("a block's compression is not known");
  return snappy_decompress(block, kLevelDbBlockBytesMax);
}

// `take(key, value)` gives a Result<void>.
template <class Take>
Result<void> each_in_block(const Bytes& block, Take take) {
  if (block.size() < 4) return malformed("a block without restarts");
  const std::uint64_t restarts = ByteReader(BytesView(block).last(4)).little_endian(4);
  if (restarts > (block.size() - 4) / 4) return malformed("a block with too many restarts");
  ByteReader from(BytesView(block).first(block.size() - 4 - restarts * 4));
  std::string key;
  for (std::size_t count = 0; from.good() && !from.at_end(); ++count) {
    const std::uint64_t shared = from.varint();
    const std::uint64_t rest = from.varint();
    const std::uint64_t value_size = from.varint();
    const BytesView tail = from.bytes(rest);
    const BytesView value = from.bytes(value_size);
    if (!from.good() || shared > key.size() || count == kLevelDbRecordsMax) return malformed("a block's entry is none");
    key.resize(shared);
    key += runtime::as_text(tail);
    STEEPLE_CHECK(take(key, value));
  }
  return from.good() ? Result<void>() : malformed("a block's entry is none");
}

// An internal key ends with the sequence number and the kind of change.
Result<void> take_entry(std::string_view internal_key, BytesView value, LevelDbEntries& entries) {
  if (internal_key.size() < 8) return malformed("a key is too short");
  const std::size_t size = internal_key.size() - 8;
  const std::uint64_t tail = ByteReader(runtime::as_bytes(internal_key.substr(size))).little_endian(8);
  std::optional<std::string> kept;
  if ((tail & 255) == kValue) kept = runtime::to_text(value);
  if ((tail & 255) > kValue) return malformed("a kind of entry is not known");
  entries.set(std::string(internal_key.substr(0, size)), tail >> 8, std::move(kept));
  return {};
}

}  // namespace

void LevelDbEntries::set(std::string key, std::uint64_t sequence, std::optional<std::string> value) {
  const auto [at, added] = entries_.try_emplace(std::move(key), Versioned{sequence, {}});
  if (!added && at->second.sequence > sequence) return;
  at->second = {sequence, std::move(value)};
}

std::map<std::string, std::string> LevelDbEntries::live() const {
  std::map<std::string, std::string> out;
  for (const auto& [key, entry] : entries_) {
    if (entry.value) out.emplace(key, *entry.value);
  }
  return out;
}

Result<std::vector<Bytes>> read_records(BytesView file) {
  if (file.size() > kLevelDbFileBytesMax) return Error(ErrorCode::kLimit, "leveldb: a file is too large");
  std::vector<Bytes> records;
  Bytes record;
  bool open = false;
  for (std::size_t at = 0; file.size() - at >= kChunkHeadBytes;) {
    const std::size_t room = kBlockBytes - at % kBlockBytes;
    if (room < kChunkHeadBytes) {
      if (file.size() - at < room) break;
      at += room;
      continue;
    }
    ByteReader head(file.subspan(at, kChunkHeadBytes));
    const std::uint64_t crc = head.little_endian(4);
    const std::uint64_t size = head.little_endian(2);
    const std::uint64_t type = head.little_endian(1);
    if (type == 0 && size == 0 && crc == 0) break;  // room that was made beforehand
    if (size > room - kChunkHeadBytes) return malformed("a chunk that is too long");
    if (size > file.size() - at - kChunkHeadBytes) break;
    if (masked_crc(file.subspan(at + kChunkHeadBytes - 1, size + 1)) != crc)
      return malformed("a chunk's checksum is wrong");
    const bool begins = type == kFull || type == kFirst;
    if (type > kLast || begins == open) return malformed("chunks in a wrong order");
    const BytesView piece = file.subspan(at + kChunkHeadBytes, size);
    record.insert(record.end(), piece.begin(), piece.end());
    open = type == kFirst || type == kMiddle;
    if (!open) records.push_back(std::exchange(record, {}));
    if (records.size() > kLevelDbRecordsMax) return Error(ErrorCode::kLimit, "leveldb: too many records");
    at += kChunkHeadBytes + size;
  }
  return records;
}

Bytes write_records(const std::vector<Bytes>& records) {
  Bytes out;
  for (const Bytes& record : records) put_record(out, record);
  return out;
}

Result<LevelDbManifest> read_manifest(BytesView file) {
  STEEPLE_TRY(records, read_records(file));
  LevelDbManifest out;
  for (const Bytes& record : records) {
    bool known = true;
    ByteReader from(record);
    while (known && from.good() && !from.at_end()) read_edit_member(from.varint(), from, out, known);
    if (!known || !from.good()) return malformed("a manifest that is none");
    if (out.tables.size() > kLevelDbTablesMax) return Error(ErrorCode::kLimit, "leveldb: too many tables");
  }
  if (out.comparator != "leveldb.BytewiseComparator") return malformed("a manifest with another comparator");
  return out;
}

Bytes write_manifest(const LevelDbManifest& manifest) {
  Bytes edit{kComparator};
  put_text(edit, manifest.comparator);
  edit.push_back(kJournal);
  put_varint(edit, manifest.journal);
  edit.push_back(kNextFile);
  put_varint(edit, manifest.next_file);
  edit.push_back(kLastSequence);
  put_varint(edit, 0);
  return write_records({edit});
}

Result<void> read_journal(BytesView file, LevelDbEntries& entries) {
  STEEPLE_TRY(records, read_records(file));
  for (const Bytes& record : records) {
    if (record.size() < kBatchHeadBytes) return malformed("a batch that is none");
    STEEPLE_CHECK(read_batch(record, entries));
  }
  return {};
}

Bytes write_journal(const std::map<std::string, std::string>& entries) {
  Bytes batch;
  put_little_endian(batch, 1, 8);  // the first sequence number
  put_little_endian(batch, entries.size(), 4);
  for (const auto& [key, value] : entries) {
    batch.push_back(kValue);
    put_text(batch, key);
    put_text(batch, value);
  }
  return write_records({batch});
}

Result<void> read_table(BytesView file, LevelDbEntries& entries) {
  if (file.size() > kLevelDbFileBytesMax) return Error(ErrorCode::kLimit, "leveldb: a file is too large");
  if (file.size() < kFooterBytes) return malformed("a table that is none");
  const BytesView footer = file.last(kFooterBytes);
  if (ByteReader(footer.last(8)).little_endian(8) != kTableMagic) return malformed("a table that is none");
  ByteReader handles(footer);
  read_handle(handles);
  const BlockHandle index_handle = read_handle(handles);
  STEEPLE_TRY(index, read_block(file, index_handle));
  std::size_t budget = kLevelDbTableBytesMax;
  return each_in_block(index, [&](std::string_view, BytesView value) -> Result<void> {
    ByteReader from(value);
    const BlockHandle handle = read_handle(from);
    STEEPLE_TRY(block, read_block(file, handle));
    if (block.size() + 1 > budget) return Error(ErrorCode::kLimit, "leveldb: a table is too large");
    budget -= block.size() + 1;
    return each_in_block(block, [&](std::string_view key, BytesView entry) { return take_entry(key, entry, entries); });
  });
}

}  // namespace steeple::attestation
