// Integers as Go's strconv.ParseInt(text, 0, 64) reads them: sign, 0x 0o 0b and leading-zero octal, single underscores
// between digits. Error texts are Go's "invalid syntax" and "value out of range". Pure.
#pragma once

#include <cstdint>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::agent::hcl {

runtime::Result<std::int64_t> parse_int_any_base(std::string_view text);

}  // namespace steeple::agent::hcl
