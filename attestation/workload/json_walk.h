// Walking JSON by simdjson's on-demand parser, as Go reads it: null is as good as absent, and what nobody takes is
// skipped. For parsers of foreign answers in this library (the kubelet's pods, Docker's containers); not for headers.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>

namespace steeple::attestation::json_walk {

namespace od = simdjson::ondemand;
using simdjson::error_code;
using simdjson::SUCCESS;

inline error_code is_null(od::value value, bool& null) {
  od::json_type type;
  if (error_code error = value.type().get(type)) return error;
  null = type == od::json_type::null;
  return SUCCESS;
}

inline error_code read_text(od::value value, std::string& out) {
  bool null = false;
  if (error_code error = is_null(value, null); error || null) return error;
  std::string_view text;
  if (error_code error = value.get_string().get(text)) return error;
  out = text;
  return SUCCESS;
}

// `take(key, value)` gives an error_code; the key lives as long as the call.
template <class Take>
error_code each_field_of_object(od::object object, Take take) {
  for (auto item : object) {
    od::field field;
    if (error_code error = std::move(item).get(field)) return error;
    std::string_view key;
    if (error_code error = field.unescaped_key().get(key)) return error;
    if (error_code error = take(key, field.value())) return error;
  }
  return SUCCESS;
}

template <class Take>
error_code each_field(od::value value, Take take) {
  bool null = false;
  if (error_code error = is_null(value, null); error || null) return error;
  od::object object;
  if (error_code error = value.get_object().get(object)) return error;
  return each_field_of_object(object, take);
}

template <class Take>
error_code each_element(od::value value, Take take) {
  bool null = false;
  if (error_code error = is_null(value, null); error || null) return error;
  od::array array;
  if (error_code error = value.get_array().get(array)) return error;
  for (auto item : array) {
    od::value element;
    if (error_code error = std::move(item).get(element)) return error;
    if (error_code error = take(element)) return error;
  }
  return SUCCESS;
}

}  // namespace steeple::attestation::json_walk
