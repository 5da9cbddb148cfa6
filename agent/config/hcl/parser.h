// Reads a whole configuration text: HCL1, or its JSON form when the first character that is not white space is '{'
// (config-cli 1.2 to 1.5). Pure; any thread. Errors carry "At LINE:COLUMN: " and what was found instead of what.
// Limits: kTextSizeMax bytes, kDepthMax nested blocks.
#pragma once

#include <memory>
#include <string_view>

#include "agent/config/hcl/ast.h"
#include "runtime/core/result.h"

namespace steeple::agent::hcl {

inline constexpr std::size_t kTextSizeMax = 4u << 20;
inline constexpr int kDepthMax = 100;

runtime::Result<std::shared_ptr<const Document>> parse(std::string_view text);

// The two languages by themselves, for parse() and for tests.
runtime::Result<std::shared_ptr<const Document>> parse_hcl(std::string_view text);
runtime::Result<std::shared_ptr<const Document>> parse_json(std::string_view text);

runtime::Error error_at(Position position, std::string_view what);

}  // namespace steeple::agent::hcl
