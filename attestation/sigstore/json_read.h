// Reading foreign JSON by simdjson's DOM, strictly: a member is there with its type, or it is not. For the parsers of
// this library; not for headers.
#pragma once

#include <simdjson.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace steeple::attestation::json_read {

using simdjson::dom::element;
using simdjson::dom::object;

inline std::optional<std::string_view> text_of(object from, std::string_view key) {
  std::string_view text;
  if (from[key].get_string().get(text)) return std::nullopt;
  return text;
}

inline std::optional<std::int64_t> integer_of(object from, std::string_view key) {
  std::int64_t number = 0;
  if (from[key].get_int64().get(number)) return std::nullopt;
  return number;
}

inline std::optional<object> object_of(object from, std::string_view key) {
  object found;
  if (from[key].get_object().get(found)) return std::nullopt;
  return found;
}

}  // namespace steeple::attestation::json_read
