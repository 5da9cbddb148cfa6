// JSON of foreign tokens, read as go-jose reads it (endpoints 2.5): names count exactly, a name that comes twice is an
// error, and errors are in Go's words. Bytes that are not UTF-8 become U+FFFD. Bounded: 65,536 values, 256 levels.
// Pure, any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::agent {

inline constexpr std::size_t kJsonValuesMax = 65'536;
inline constexpr std::size_t kJsonDepthMax = 256;

struct JsonMember;

struct JsonNumber {
  std::string text;  // as it was written
  // kMalformed when it is out of a double's range.
  runtime::Result<double> to_double() const;
};

class JsonValue {
 public:
  using Array = std::vector<JsonValue>;
  using Object = std::vector<JsonMember>;  // in the order written

  JsonValue() = default;  // null
  template <class T>
  explicit JsonValue(T value) : value_(std::move(value)) {}

  bool is_null() const { return std::holds_alternative<std::monostate>(value_); }
  const bool* boolean() const { return std::get_if<bool>(&value_); }
  const JsonNumber* number() const { return std::get_if<JsonNumber>(&value_); }
  const std::string* text() const { return std::get_if<std::string>(&value_); }
  const Array* array() const { return std::get_if<Array>(&value_); }
  const Object* object() const { return std::get_if<Object>(&value_); }
  Object* object() { return std::get_if<Object>(&value_); }
  std::string_view go_kind() const;  // "number", "string", ... as Go's errors name it

 private:
  std::variant<std::monostate, bool, JsonNumber, std::string, Array, Object> value_;
};

struct JsonMember {
  std::string name;
  JsonValue value;
  std::uint32_t begin = 0, end = 0;  // where the value stands in the text
};

// The member of that very name; null: none, or not an object.
const JsonValue* find_member(const JsonValue& object, std::string_view name);

struct JsonText {
  JsonValue root;
  // Where names come twice: position of the first second one among the root's members, and the first such name in a
  // value below.
  std::optional<std::size_t> duplicate_member;
  std::optional<std::string> duplicate_below;
};

runtime::Result<JsonText> parse_json(std::string_view text);

// `json: duplicate key 'x' in object`
runtime::Error duplicate_name(std::string_view name);
// `json: cannot unmarshal number into Go value of type string`
runtime::Error wrong_json_type(const JsonValue& found, std::string_view wanted);

}  // namespace steeple::agent
