#include "agent/spiffe/json_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>

namespace steeple::agent {

bool same_member(std::string_view found, std::string_view wanted) {
  auto same = [](unsigned char a, unsigned char b) { return std::tolower(a) == std::tolower(b); };
  return std::equal(found.begin(), found.end(), wanted.begin(), wanted.end(), same);
}

runtime::Error json_error(std::string_view json, std::string_view parser_text) {
  using runtime::ErrorCode;
  std::size_t first = json.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return runtime::Error(ErrorCode::kMalformed, "unexpected end of JSON input");
  char c = json[first];
  bool can_begin = std::string_view("{[\"-0123456789tfn").find(c) != std::string_view::npos;
  if (!can_begin && std::isprint(static_cast<unsigned char>(c))) {
    return runtime::Error(ErrorCode::kMalformed,
                          fmt::format("invalid character '{}' looking for beginning of value", c));
  }
  // An object that is not closed at its end was cut short.
  char last = json[json.find_last_not_of(" \t\r\n")];
  if (c == '{' && last != '}') return runtime::Error(ErrorCode::kMalformed, "unexpected end of JSON input");
  return runtime::Error(ErrorCode::kMalformed, std::string(parser_text));
}

std::string json_quote(std::string_view text) {
  std::string out = "\"";
  for (char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20 || c == '<' || c == '>' || c == '&') {
          out += fmt::format("\\u{:04x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
        } else {
          out += c;
        }
    }
  }
  return out += '"';
}

}  // namespace steeple::agent
