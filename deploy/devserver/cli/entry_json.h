// The JSON of `entry create|update -data FILE` and `entry delete -file FILE`. Foreign input: bounded by kInputBytesMax
// and kBatchItemsMax; a key that means nothing here is refused by name.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace spire::api::types {
class Entry;
}

namespace steeple::devserver {

// {"entries":[{"spiffe_id":"spiffe://...","parent_id":"...","selectors":[{"type":"unix","value":"uid:0"}],...}]}
runtime::Result<std::vector<spire::api::types::Entry>> parse_entries(std::string_view json);
// {"ids":["..."]}
runtime::Result<std::vector<std::string>> parse_entry_ids(std::string_view json);

}  // namespace steeple::devserver
