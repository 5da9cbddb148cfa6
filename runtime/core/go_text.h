// Texts as Go's standard library prints them: users' scripts and dashboards read these forms.
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/clock.h"
#include "runtime/core/result.h"

namespace steeple::runtime {

std::string go_quote(std::string_view text);         // fmt %q: double quotes, Go escapes, printable Unicode kept
std::string prototext_quote(std::string_view text);  // a string in the text form of Go's protobuf messages
std::string go_duration(std::chrono::nanoseconds duration);  // time.Duration.String: "1.5µs", "1m3.5s", "0s"
Result<std::chrono::nanoseconds> parse_go_duration(std::string_view text);  // time.ParseDuration with its error texts
std::string rfc3339(WallTime time);                                         // UTC, whole seconds: 2026-01-02T03:04:05Z
std::string rfc3339_nano(WallTime time);                // UTC, up to 9 fraction digits, trailing zeros cut
std::size_t utf8_sequence_size(std::string_view text);  // of the first character; 0 when its bytes are not UTF-8
std::string go_fraction(long nanoseconds);              // ".5": what follows the seconds of a time; empty for 0
std::string go_time(WallTime time);                     // "2026-01-02 03:04:05 +0000 UTC"
// The shortest form that reads back the same; `small` and `large` bound the decimals without an exponent.
std::string go_number(double value, double small, double large);
std::string go_quoted_list(const std::vector<std::string>& items);  // %q of a []string: ["a" "b"]

}  // namespace steeple::runtime
