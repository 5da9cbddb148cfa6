#include "agent/spiffe/json_value.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "agent/spiffe/json_parser.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Result<double> JsonNumber::to_double() const {
  double value = std::strtod(text.c_str(), nullptr);
  if (std::isfinite(value)) return value;
  return Error(ErrorCode::kMalformed,
               fmt::format("json: cannot unmarshal number {} into Go value of type float64", text));
}

std::string_view JsonValue::go_kind() const {
  static constexpr std::string_view kKinds[] = {"null", "bool", "number", "string", "array", "object"};
  return kKinds[value_.index()];
}

const JsonValue* find_member(const JsonValue& object, std::string_view name) {
  const JsonValue::Object* members = object.object();
  if (members == nullptr) return nullptr;
  auto found =
      std::find_if(members->begin(), members->end(), [&](const JsonMember& member) { return member.name == name; });
  return found == members->end() ? nullptr : &found->value;
}

Error duplicate_name(std::string_view name) {
  return Error(ErrorCode::kMalformed, fmt::format("json: duplicate key '{}' in object", name));
}

Error wrong_json_type(const JsonValue& found, std::string_view wanted) {
  return Error(ErrorCode::kMalformed,
               fmt::format("json: cannot unmarshal {} into Go value of type {}", found.go_kind(), wanted));
}

Result<JsonText> parse_json(std::string_view text) { return JsonParser(text).parse(); }

}  // namespace steeple::agent
