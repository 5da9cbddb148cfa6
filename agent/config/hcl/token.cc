#include "agent/config/hcl/token.h"

#include <fmt/format.h>

namespace steeple::agent::hcl {

std::string to_string(Position position) {
  return position.line > 0 ? fmt::format("{}:{}", position.line, position.column) : "-";
}

std::string_view to_string(TokenKind kind) {
  switch (kind) {
    case TokenKind::kIllegal:
      return "ILLEGAL";
    case TokenKind::kEnd:
      return "EOF";
    case TokenKind::kComment:
      return "COMMENT";
    case TokenKind::kIdentifier:
      return "IDENT";
    case TokenKind::kNumber:
      return "NUMBER";
    case TokenKind::kFloat:
      return "FLOAT";
    case TokenKind::kBool:
      return "BOOL";
    case TokenKind::kString:
      return "STRING";
    case TokenKind::kHeredoc:
      return "HEREDOC";
    case TokenKind::kNull:
      return "NULL";
    case TokenKind::kLeftBracket:
      return "LBRACK";
    case TokenKind::kRightBracket:
      return "RBRACK";
    case TokenKind::kLeftBrace:
      return "LBRACE";
    case TokenKind::kRightBrace:
      return "RBRACE";
    case TokenKind::kComma:
      return "COMMA";
    case TokenKind::kPeriod:
      return "PERIOD";
    case TokenKind::kColon:
      return "COLON";
    case TokenKind::kAssign:
      return "ASSIGN";
    case TokenKind::kAdd:
      return "ADD";
    case TokenKind::kSubtract:
      return "SUB";
  }
  return "ILLEGAL";
}

}  // namespace steeple::agent::hcl
