#include "agent/cli/json_print.h"

#include <fmt/format.h>

#include <charconv>
#include <cmath>
#include <map>
#include <vector>

#include "google/protobuf/struct.pb.h"
#include "runtime/tls/encoding.h"

namespace steeple::agent::cli {
namespace {

std::string value_text(const google::protobuf::Value& value, JsonStyle style) {
  using Kind = google::protobuf::Value::KindCase;
  switch (value.kind_case()) {
    case Kind::kNumberValue:
      return json_number(value.number_value());
    case Kind::kStringValue:
      return json_quote(value.string_value(), style);
    case Kind::kBoolValue:
      return value.bool_value() ? "true" : "false";
    case Kind::kStructValue:
      return json_struct(value.struct_value(), style);
    case Kind::kListValue: {
      std::vector<std::string> items;
      for (const google::protobuf::Value& item : value.list_value().values()) items.push_back(value_text(item, style));
      return fmt::format("[{}]", fmt::join(items, ","));
    }
    default:
      return "null";
  }
}

bool is_short_escape(unsigned char c, JsonStyle style) {
  return c == '\n' || c == '\r' || c == '\t' || (style == JsonStyle::kProtoJson && (c == '\b' || c == '\f'));
}

}  // namespace

std::string json_quote(std::string_view text, JsonStyle style) {
  const bool html = style == JsonStyle::kEncodingJson;
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(text[i]);
    } else if (is_short_escape(c, style)) {
      out.push_back('\\');
      out.push_back("btn?fr"[c - '\b']);
    } else if (c < 0x20 || (html && (c == '<' || c == '>' || c == '&'))) {
      out += fmt::format("\\u{:04x}", c);
    } else if (html && (text.substr(i, 3) == "\xE2\x80\xA8" || text.substr(i, 3) == "\xE2\x80\xA9")) {
      out += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out + "\"";
}

std::string json_bytes(const std::string& bytes) {
  return "\"" + runtime::base64_encode(runtime::as_bytes(bytes)) + "\"";
}

std::string json_number(double number) {
  const double size = std::fabs(number);
  const bool exponent = size != 0 && (size < 1e-6 || size >= 1e21);
  char digits[400];
  const auto format = exponent ? std::chars_format::scientific : std::chars_format::fixed;
  const auto end = std::to_chars(digits, digits + sizeof digits, number, format);
  std::string text(digits, end.ptr);
  // e-07 becomes e-7.
  if (std::size_t at = text.find("e-0"); at != std::string::npos) text.erase(at + 2, 1);
  return text;
}

std::string json_struct(const google::protobuf::Struct& value, JsonStyle style) {
  std::map<std::string_view, const google::protobuf::Value*> sorted;
  for (const auto& [name, member] : value.fields()) sorted.emplace(name, &member);
  std::vector<std::string> members;
  for (const auto& [name, member] : sorted) {
    members.push_back(json_quote(name, style) + ":" + value_text(*member, style));
  }
  return fmt::format("{{{}}}", fmt::join(members, ","));
}

}  // namespace steeple::agent::cli
