#include "agent/cli/output.h"

#include <cstdio>

namespace steeple::agent::cli {

// Flushed at once: `api watch` is read through pipes.
void StandardOutput::out(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  std::fflush(stdout);
}

void StandardOutput::err(std::string_view text) {
  std::fwrite(text.data(), 1, text.size(), stderr);
  std::fflush(stderr);
}

}  // namespace steeple::agent::cli
