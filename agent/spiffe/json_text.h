// Small helpers over simdjson for the agent's own documents: Go's reading of member names (case does not count, of
// duplicates the last counts is the caller's loop), and Go's texts for broken input. For sources of agent/ only.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::agent {

// encoding/json finds a member whatever its case.
bool same_member(std::string_view found, std::string_view wanted);

// A syntax error in Go's words where scripts may look for them ("unexpected end of JSON input", "invalid character 'g'
// looking for beginning of value"); else the parser's own text. `parser_text` is simdjson's.
runtime::Error json_error(std::string_view json, std::string_view parser_text);

// Text between quotes as Go writes it: control characters, <, > and & escaped.
std::string json_quote(std::string_view text);

}  // namespace steeple::agent
