// The format of keys.json (server-sync 6.3): reader and writer. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "runtime/core/result.h"
#include "runtime/tls/keys.h"

namespace steeple::agent {

inline constexpr std::size_t kKeysFileSizeMax = 1024 * 1024;
inline constexpr std::size_t kKeysMax = 64;

using KeyMap = std::map<std::string, runtime::PrivateKey, std::less<>>;

// `unable to decode keys JSON: ...`, `unable to parse key "ID": ...`. A missing or null "keys" is no keys.
runtime::Result<KeyMap> parse_keys_file(std::string_view json);
// Byte for byte as the Go agent writes it. Holds private keys.
runtime::SecretBytes format_keys_file(const KeyMap& keys);

}  // namespace steeple::agent
