// From the text of /proc/PID/status to the selectors of the attestor `unix` (attestation 2.2). Pure but for the names.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/selector/selector.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

using NameOfId = std::function<std::optional<std::string>(std::uint32_t id)>;

// In upstream's order. kInternal with upstream's texts when the text does not have what it must have.
runtime::Result<std::vector<Selector>> process_selectors(std::string_view status_file, const NameOfId& user_name,
                                                         const NameOfId& group_name);

}  // namespace steeple::attestation
