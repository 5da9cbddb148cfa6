// Tokens of the configuration language HCL1 and of its JSON form, as both scanners hand them to the parsers.
// Rules: lexical table of config-cli 1.3. Values are decoded while scanning, so a token never needs its source again.
#pragma once

#include <string>
#include <string_view>

namespace steeple::agent::hcl {

struct Position {
  int line = 0;    // 0: unknown
  int column = 0;  // in characters
  bool operator==(const Position&) const = default;
};
std::string to_string(Position position);  // "3:14", or "-" when unknown

enum class TokenKind {
  kIllegal,
  kEnd,
  kComment,
  kIdentifier,
  kNumber,
  kFloat,
  kBool,
  kString,
  kHeredoc,
  kNull,  // JSON only
  kLeftBracket,
  kRightBracket,
  kLeftBrace,
  kRightBrace,
  kComma,
  kPeriod,
  kColon,  // JSON only
  kAssign,
  kAdd,
  kSubtract,
};
std::string_view to_string(TokenKind kind);  // the names error texts use: "LBRACE"

struct Token {
  TokenKind kind = TokenKind::kIllegal;
  Position position;
  std::string text;   // as written
  std::string value;  // strings and heredocs: what they mean; others: the text
  bool json = false;
};

}  // namespace steeple::agent::hcl
