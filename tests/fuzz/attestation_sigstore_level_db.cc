// Files of a LevelDB: any bytes give entries or an error; records that are read are written and read as the same.
#include <cstdint>
#include <cstdlib>

#include "attestation/sigstore/tuf/level_db_format.h"

using namespace steeple::attestation;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const steeple::runtime::BytesView bytes(data, size);
  LevelDbEntries entries;
  static_cast<void>(read_table(bytes, entries));
  static_cast<void>(read_journal(bytes, entries));
  static_cast<void>(read_manifest(bytes));
  const std::map<std::string, std::string> live = entries.live();
  LevelDbEntries again;
  if (!read_journal(write_journal(live), again) || again.live() != live) std::abort();
  if (const auto records = read_records(bytes)) {
    if (read_records(write_records(*records)).value() != *records) std::abort();
  }
  return 0;
}
