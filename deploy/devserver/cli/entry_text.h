// Registration entries as the command line reads and prints them (server-sync 8.7), and small conversions all commands
// share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace spire::api::types {
class Entry;
class SPIFFEID;
class Selector;
}  // namespace spire::api::types

namespace steeple::devserver {

runtime::Result<void> parse_id(const std::string& text, spire::api::types::SPIFFEID& out);
runtime::Result<void> parse_selector(const std::string& text, spire::api::types::Selector& out);  // "type:value"
runtime::Result<std::int32_t> narrow(std::int64_t number, std::string_view name);
// exact, any, superset, subset as a MatchBehavior.
runtime::Result<int> parse_match(const std::string& text);

std::string format_entry(const spire::api::types::Entry& entry);
// By IDs, TTLs and selectors, as `entry show` orders them; sorts each entry's selectors, too.
void sort_entries(std::vector<spire::api::types::Entry>& entries);

}  // namespace steeple::devserver
