// Go's JSON form of a time: RFC 3339 with up to nanoseconds and a zone. Pure.
#pragma once

#include <optional>
#include <string_view>

#include "runtime/core/clock.h"
#include "runtime/core/result.h"

namespace steeple::runtime {

inline constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";

// Go's zero time is no time. Times that WallTime cannot hold are refused.
Result<std::optional<WallTime>> parse_rfc3339(std::string_view text);

}  // namespace steeple::runtime
