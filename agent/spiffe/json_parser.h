// The parser behind parse_json(), one value at a time. Inside agent/spiffe.
#pragma once

#include <string>
#include <string_view>

#include "agent/spiffe/json_value.h"

namespace steeple::agent {

class JsonParser {
 public:
  explicit JsonParser(std::string_view text) : text_(text) {}
  runtime::Result<JsonText> parse();

 private:
  using Status = runtime::Result<void>;
  runtime::Result<JsonValue> value(std::size_t depth);
  runtime::Result<JsonValue> array(std::size_t depth);
  runtime::Result<JsonValue> object(std::size_t depth);
  runtime::Result<JsonMember> member(std::size_t depth);
  runtime::Result<std::string> string();
  Status escape(std::string& out);
  runtime::Result<char32_t> hexadecimal();
  Status surrogate(char32_t first, std::string& out);
  runtime::Result<JsonValue> number();
  Status digits(std::string_view context);
  Status literal(std::string_view word);
  void note_duplicates(const JsonValue::Object& members, std::size_t depth);

  void skip_space();
  bool at_end() const { return at_ == text_.size(); }
  char peek() const { return text_[at_]; }
  bool next_is(char c) const { return !at_end() && peek() == c; }
  runtime::Error unexpected(std::string_view context) const;  // at the end: of the input

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t values_ = 0;
  JsonText result_;
};

}  // namespace steeple::agent
