#include "agent/config/hcl/scanner.h"

#include <vector>

namespace steeple::agent::hcl {
namespace {

TokenKind punctuation(char32_t c) {
  switch (c) {
    case '[':
      return TokenKind::kLeftBracket;
    case ']':
      return TokenKind::kRightBracket;
    case '{':
      return TokenKind::kLeftBrace;
    case '}':
      return TokenKind::kRightBrace;
    case ',':
      return TokenKind::kComma;
    default:
      return TokenKind::kIllegal;
  }
}

bool is_posix_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// A line that holds only white space and then the anchor.
bool ends_heredoc(std::string_view line, std::string_view anchor) {
  while (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  if (!line.ends_with(anchor)) return false;
  line.remove_suffix(anchor.size());
  for (const char c : line) {
    if (!is_posix_space(c)) return false;
  }
  return true;
}

// `body` are the lines before the terminator's, `prefix` is the white space before the terminator. When each line
// starts with that prefix it is taken off; else the text stays as it is.
std::string unindent(std::string_view body, std::string_view prefix) {
  std::string out;
  std::string_view rest = body;
  while (!rest.empty()) {
    const std::size_t end = rest.find('\n') + 1;
    if (!rest.substr(0, end).starts_with(prefix)) return std::string(body);
    out += rest.substr(prefix.size(), end - prefix.size());
    rest.remove_prefix(end);
  }
  return out;
}

}  // namespace

Token Scanner::scan() {
  char32_t c = in_.next();
  while (is_blank(c)) c = in_.next();
  Token token;
  token.position = in_.last_position();
  const std::size_t start = in_.offset() - in_.last_size();
  if (c == kEndOfText) {
    token.kind = TokenKind::kEnd;
    return token;
  }
  if (language_ == Language::kHcl) {
    scan_hcl(c, token);
  } else {
    token.json = true;
    scan_json(c, token);
  }
  token.text = std::string(in_.text().substr(start, in_.offset() - start));
  const bool named = token.kind == TokenKind::kIdentifier;
  if (named && (token.text == "true" || token.text == "false")) {
    token.kind = TokenKind::kBool;
  } else if (named && token.json) {
    token.kind = token.text == "null" ? TokenKind::kNull : TokenKind::kIllegal;
    if (token.kind == TokenKind::kIllegal) in_.fail("illegal char");
  }
  if (token.kind != TokenKind::kString && token.kind != TokenKind::kHeredoc) token.value = token.text;
  return token;
}

void Scanner::scan_hcl(char32_t c, Token& token) {
  if (is_letter(c)) {
    scan_word();
    token.kind = TokenKind::kIdentifier;
  } else if (is_decimal(c)) {
    token.kind = scan_hcl_number(in_, c);
  } else if (c == '"') {
    token.kind = TokenKind::kString;
    token.value = scan_quoted(in_, true);
  } else if (c == '#' || c == '/') {
    token.kind = TokenKind::kComment;
    scan_comment(c);
  } else if (c == '.') {
    token.kind = scan_after_period(in_);
  } else if (c == '<') {
    token.kind = TokenKind::kHeredoc;
    scan_heredoc(token.value);
  } else if (c == '=') {
    token.kind = TokenKind::kAssign;
  } else if (c == '+') {
    token.kind = TokenKind::kAdd;
  } else if (c == '-') {
    token.kind = is_decimal(in_.peek()) ? scan_hcl_number(in_, in_.next()) : TokenKind::kSubtract;
  } else {
    token.kind = punctuation(c);
    if (token.kind == TokenKind::kIllegal) in_.fail("illegal char");
  }
}

void Scanner::scan_json(char32_t c, Token& token) {
  if (is_letter(c)) {
    scan_word();
    token.kind = TokenKind::kIdentifier;
  } else if (is_decimal(c)) {
    token.kind = scan_json_number(in_, c);
  } else if (c == '"') {
    token.kind = TokenKind::kString;
    token.value = scan_quoted(in_, false);
  } else if (c == '.') {
    token.kind = scan_after_period(in_);
  } else if (c == ':') {
    token.kind = TokenKind::kColon;
  } else if (c == '-' && is_decimal(in_.peek())) {
    token.kind = scan_json_number(in_, in_.next());
  } else if (c == '-') {
    in_.fail("illegal char");
  } else {
    token.kind = punctuation(c);
    if (token.kind != TokenKind::kIllegal) return;
    std::string what = "illegal char: ";
    append_utf8(what, c);
    in_.fail(what);
  }
}

void Scanner::scan_word() {
  char32_t c = in_.next();
  while (is_letter(c) || is_decimal(c) || c == '-' || (c == '.' && language_ == Language::kHcl)) c = in_.next();
  if (c != kEndOfText) in_.put_back();
}

void Scanner::scan_comment(char32_t first) {
  if (first == '/' && in_.peek() == '*') {
    in_.next();
    char32_t before = kEndOfText;
    for (char32_t c = in_.next();; c = in_.next()) {
      if (c == kEndOfText) return in_.fail("comment not terminated");
      if (before == '*' && c == '/') return;
      before = c;
    }
  }
  if (first == '/' && in_.peek() != '/') return in_.fail("expected '/' for comment");
  char32_t c = in_.next();
  while (c != '\n' && c != kEndOfText) c = in_.next();
  if (c != kEndOfText) in_.put_back();
}

void Scanner::scan_heredoc(std::string& value) {
  if (in_.next() != '<') return in_.fail("heredoc expected second '<', didn't see it");
  const std::size_t anchor_start = in_.offset();
  char32_t c = in_.next();
  const bool indented = c == '-';
  if (indented) c = in_.next();
  while (is_letter(c) || is_decimal(c)) c = in_.next();
  if (c == kEndOfText) return in_.fail("heredoc not terminated");
  if (c == '\r' && in_.peek() == '\n') c = in_.next();
  if (c != '\n') return in_.fail("invalid characters in heredoc anchor");
  // With its dash: a terminator line shorter than this does not count, so that an indented one needs at least one
  // blank.
  const std::string_view marker = in_.text().substr(anchor_start, in_.offset() - 1 - anchor_start);
  const std::string_view anchor = indented ? marker.substr(1) : marker;
  if (anchor.empty()) return in_.fail("zero-length heredoc anchor");

  const std::size_t body_start = in_.offset();
  std::size_t line_start = body_start;
  for (;;) {
    c = in_.next();
    if (c == kEndOfText) return in_.fail("heredoc not terminated");
    if (c != '\n') continue;
    const std::string_view line = in_.text().substr(line_start, in_.offset() - 1 - line_start);
    if (line.size() >= marker.size() && ends_heredoc(line, anchor)) {
      const std::string_view body = in_.text().substr(body_start, line_start - body_start);
      const std::string_view prefix = line.substr(0, line.find(anchor));
      value = indented ? unindent(body, prefix) : std::string(body) + std::string(prefix);
      return;
    }
    line_start = in_.offset();
  }
}

}  // namespace steeple::agent::hcl
