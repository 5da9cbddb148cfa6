// Cuts configuration text into tokens: HCL1 (with comments, heredocs, identifiers) or its JSON form. Errors do not stop
// a scanner; it keeps the last one, which the parser reports instead of what it made of the rest.
#pragma once

#include "agent/config/hcl/char_reader.h"

namespace steeple::agent::hcl {

class Scanner {
 public:
  enum class Language { kHcl, kJson };
  Scanner(std::string_view text, Language language) : in_(text), language_(language) {}

  Token scan();
  const CharReader& input() const { return in_; }

 private:
  void scan_hcl(char32_t first, Token& token);
  void scan_json(char32_t first, Token& token);
  void scan_word();
  void scan_comment(char32_t first);
  void scan_heredoc(std::string& value);

  CharReader in_;
  Language language_;
};

}  // namespace steeple::agent::hcl
