// Reading the JSON files that commands take with -data: typed members, unknown keys refused by name, bounded depth and
// lists. For the commands' .cc files. Errors are kMalformed and name the key. Pure.
#pragma once

#include <fmt/format.h>
#include <simdjson.h>

#include <algorithm>
#include <string>
#include <string_view>

#include "deploy/devserver/services/rules.h"
#include "runtime/core/go_text.h"
#include "runtime/core/result.h"

namespace steeple::devserver {

namespace dom = simdjson::dom;

inline constexpr std::size_t kJsonDepthMax = 16;

inline runtime::Error malformed(std::string text) {
  return runtime::Error(runtime::ErrorCode::kMalformed, std::move(text));
}

template <class T>
runtime::Result<T> get(std::string_view key, const dom::element& value) {
  T typed;
  if (value.get(typed) != simdjson::SUCCESS) return malformed(fmt::format("{}: unexpected type of value", key));
  return typed;
}

inline runtime::Result<std::string> get_text(std::string_view key, const dom::element& value) {
  STEEPLE_TRY(text, get<std::string_view>(key, value));
  return std::string(text);
}

// Calls `each` for the elements of a list; null is an empty one.
template <class Each>
runtime::Result<void> for_each(std::string_view key, const dom::element& value, Each each) {
  if (value.is_null()) return {};
  STEEPLE_TRY(list, get<dom::array>(key, value));
  if (list.size() > static_cast<std::size_t>(kBatchItemsMax))
    return malformed(fmt::format("{}: too many elements", key));
  for (const dom::element& element : list) STEEPLE_CHECK(each(element));
  return {};
}

// Calls `each` with each member of an object; it says whether it knows the key.
template <class Each>
runtime::Result<void> for_members(std::string_view what, const dom::element& value, Each each) {
  STEEPLE_TRY(object, get<dom::object>(what, value));
  for (const dom::key_value_pair& member : object) {
    STEEPLE_TRY(known, each(member.key, member.value));
    if (!known) return malformed(fmt::format("{}: unknown key {}", what, runtime::go_quote(member.key)));
  }
  return {};
}

// Parses, and calls `read` with the document while its memory lives.
template <class Read>
runtime::Result<void> with_document(std::string_view json, Read read) {
  dom::parser parser;
  if (parser.allocate(std::max<std::size_t>(json.size(), 64), kJsonDepthMax) != simdjson::SUCCESS) {
    return malformed("out of memory");
  }
  dom::element root;
  auto failed = parser.parse(json.data(), json.size(), true).get(root);
  if (failed != simdjson::SUCCESS) return malformed(fmt::format("invalid JSON: {}", simdjson::error_message(failed)));
  return read(root);
}

}  // namespace steeple::devserver
