// `plugin_checksum` (config-cli 1.7): the SHA-256 of a plugin's program, compared before it is run. Blocking; for the
// start of the agent. Error texts are SPIRE's.
#pragma once

#include <string>

#include "runtime/core/result.h"

namespace steeple::agent {

// Whether the text is one: hexadecimal of 64 digits.
runtime::Result<void> check_checksum_text(const std::string& checksum);
// "error verifying checksum: open /x: ...", "checksums did not match".
runtime::Result<void> verify_checksum(const std::string& path, const std::string& checksum);

}  // namespace steeple::agent
