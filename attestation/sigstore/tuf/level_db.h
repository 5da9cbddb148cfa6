// A LevelDB folder that holds a few names, as Sigstore's clients keep metadata in: read whole, written whole. Other
// programs that use it at the same time are kept out by the folder's lock, and find what is written here. Blocking.
#pragma once

#include <map>
#include <string>

#include "runtime/core/result.h"

namespace steeple::attestation {

using LevelDbMap = std::map<std::string, std::string>;

// A folder that is not there, or is empty, holds nothing. kMalformed, kLimit: what is in it cannot be read.
// kUnavailable: another program has it.
runtime::Result<LevelDbMap> read_level_db(const std::string& folder);

// Replaces all that is in it. The folder is made where it is missing. After a failure what was there is still whole.
runtime::Result<void> write_level_db(const std::string& folder, const LevelDbMap& entries);

}  // namespace steeple::attestation
