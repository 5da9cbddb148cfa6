// Reads characters of UTF-8 text one at a time with positions, and keeps the last error, for both scanners.
// At the end it gives kEndOfText as often as asked, and each time the column moves on, as SPIRE's positions do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/config/hcl/token.h"

namespace steeple::agent::hcl {

inline constexpr char32_t kEndOfText = 0;
inline constexpr char32_t kBadCharacter = 0xFFFD;

class CharReader {
 public:
  explicit CharReader(std::string_view text) : text_(text) {}

  char32_t next();
  void put_back();  // the last character read; not the end
  char32_t peek() const;

  Position last_position() const;  // of the last character read
  std::size_t offset() const { return offset_; }
  std::size_t last_size() const { return last_size_; }
  std::string_view text() const { return text_; }

  void fail(std::string_view what);  // at the last character read; a later failure replaces an earlier one
  void fail_at(Position position, std::string_view what);
  bool failed() const { return !error_.empty(); }
  Position error_position() const { return error_position_; }
  const std::string& error() const { return error_; }

 private:
  std::string_view text_;
  std::size_t offset_ = 0;
  std::size_t last_size_ = 0;
  Position position_{1, 0};  // of the last character read; column 0 right after a newline
  Position previous_{1, 0};
  int last_line_columns_ = 0;
  std::string error_;
  Position error_position_;
};

struct DecodedCharacter {
  char32_t character = kEndOfText;
  std::size_t size = 0;
};
DecodedCharacter decode_utf8(std::string_view text);  // size 1 and kBadCharacter when malformed, size 0 at the end
void append_utf8(std::string& out, char32_t character);

bool is_letter(char32_t c);
bool is_decimal(char32_t c);
bool is_hexadecimal(char32_t c);
bool is_blank(char32_t c);  // what separates tokens
bool is_unicode_space(char32_t c);
int digit_value(char32_t c);  // 16 when it is none

// Scans what follows an opening quote up to the closing one, escapes included, and gives the meaning of it. With
// `interpolation`, `${ ... }` is taken as it stands and may hold quotes and newlines (HCL); without, it is not special.
std::string scan_quoted(CharReader& in, bool interpolation);

// Scans a number whose first digit was just read. HCL also knows 0x and octal; JSON knows no leading zero.
TokenKind scan_hcl_number(CharReader& in, char32_t first);
TokenKind scan_json_number(CharReader& in, char32_t first);
void scan_digits(CharReader& in);
TokenKind scan_after_period(CharReader& in);  // ".5" when a digit follows

}  // namespace steeple::agent::hcl
