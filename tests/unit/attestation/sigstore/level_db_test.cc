// LevelDB's files and Snappy: what is written is read, and damage is told. Files of another writer are in
// tests/contract.
#include "attestation/sigstore/tuf/level_db.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "attestation/sigstore/tuf/level_db_format.h"
#include "attestation/sigstore/tuf/snappy.h"
#include "runtime/os/file.h"
#include "tests/fakes/temporary_folder.h"

using namespace steeple::attestation;
using namespace steeple::runtime;

namespace {

std::string expanded(const Bytes& block) {
  const auto out = snappy_decompress(block, 1000);
  return out ? to_text(*out) : out.error().message();
}

}  // namespace

TEST_CASE("Snappy: literals and copies, also of what is just being written") {
  CHECK(expanded({5, 4 << 2, 'h', 'e', 'l', 'l', 'o'}) == "hello");
  CHECK(expanded({8, 1 << 2, 'a', 'b', 2 << 2 | 1, 2}) == "abababab");
  CHECK(expanded({6, 0, 'x', 4 << 2 | 2, 1, 0}) == "xxxxxx");
  CHECK(expanded({6, 0, 'x', 4 << 2 | 3, 1, 0, 0, 0}) == "xxxxxx");
  CHECK(expanded({0}).empty());
  for (const Bytes& bad : {Bytes{}, Bytes{5}, Bytes{5, 4 << 2, 'h'}, Bytes{3, 0, 'x', 4 << 2 | 2, 1, 0},
                           Bytes{6, 0, 'x', 4 << 2 | 2, 2, 0}, Bytes{6, 0, 'x', 4 << 2 | 2, 0, 0}, Bytes{2, 0, 'x'}}) {
    CHECK(expanded(bad) == "snappy: corrupt input");
  }
  CHECK(snappy_decompress(Bytes{0xff, 0xff, 0x7f, 0}, 1000).error().code() == ErrorCode::kLimit);
}

TEST_CASE("LevelDB journals: records of every size around a block's, and what is cut off or damaged") {
  for (const std::size_t size : {0, 1, 32753, 32754, 32755, 32761, 32768, 65522, 100000}) {
    const std::vector<Bytes> records = {Bytes(size, 1), Bytes(3, 2), Bytes(size, 3)};
    const Bytes file = write_records(records);
    CHECK(read_records(file).value() == records);
    CHECK(read_records(BytesView(file).first(file.size() - 1)).value().size() == 2);
    Bytes damaged = file;
    damaged.back() ^= 1;
    CHECK((size == 0 || !read_records(damaged)));
  }
  CHECK(read_records(Bytes(100, 0)).value().empty());
}

TEST_CASE("LevelDB: the newest value counts, a removal too") {
  LevelDbEntries entries;
  entries.set("a", 5, "new");
  entries.set("a", 3, "old");
  entries.set("b", 1, "x");
  entries.set("b", 2, std::nullopt);
  CHECK(entries.live() == LevelDbMap{{"a", "new"}});
  CHECK_FALSE(read_table(Bytes(100, 0), entries));
  CHECK_FALSE(read_manifest(write_records({Bytes{1, 1, 'x'}})));
  CHECK_FALSE(read_journal(write_records({Bytes(13, 7)}), entries));
}

TEST_CASE("LevelDB folder: written, read, written over; what is damaged is told") {
  const TemporaryFolder folder;
  const std::string path = folder.path("deep/tuf.db");
  CHECK(read_level_db(path).value().empty());
  const LevelDbMap first = {{"root.json", std::string(90'000, 'r')}, {"timestamp.json", "t"}};
  REQUIRE(write_level_db(path, first));
  CHECK(read_level_db(path).value() == first);
  const LevelDbMap second = {{"root.json", "short"}};
  REQUIRE(write_level_db(path, second));
  CHECK(read_level_db(path).value() == second);
  std::string journal;
  for (const auto& file : std::filesystem::directory_iterator(path)) {
    if (file.path().extension() == ".log") journal = file.path().string();
  }
  std::string bytes = read_file(journal, 1000).value();
  bytes[9] ^= 1;
  std::ofstream(journal, std::ios::binary) << bytes;
  CHECK(read_level_db(path).error().code() == ErrorCode::kMalformed);
  REQUIRE(write_level_db(path, first));
  CHECK(read_level_db(path).value() == first);
  std::filesystem::remove(path + "/CURRENT");
  CHECK(read_level_db(path).error().code() == ErrorCode::kMalformed);
}
