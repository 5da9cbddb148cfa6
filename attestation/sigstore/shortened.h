// Foreign text in an error's text: no more of it than a person reads, as Go's %q would show what is not printable.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/go_text.h"

namespace steeple::attestation {

inline std::string shortened(std::string_view text) {
  constexpr std::size_t kShown = 120;
  std::string quoted = runtime::go_quote(text.substr(0, kShown));
  std::string out = quoted.substr(1, quoted.size() - 2);
  return text.size() > kShown ? out + "..." : out;
}

}  // namespace steeple::attestation
