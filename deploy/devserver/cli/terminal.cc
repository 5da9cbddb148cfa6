#include "deploy/devserver/cli/terminal.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runtime/os/file.h"

namespace steeple::devserver {

void ProcessTerminal::out(std::string_view text) { fwrite(text.data(), 1, text.size(), stdout); }

void ProcessTerminal::err(std::string_view text) {
  fflush(stdout);
  fwrite(text.data(), 1, text.size(), stderr);
}

runtime::Result<std::string> ProcessTerminal::read_input() {
  return runtime::read_descriptor(STDIN_FILENO, "/dev/stdin", kInputBytesMax);
}

std::optional<std::string> ProcessTerminal::environment(const std::string& name) {
  const char* value = getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

}  // namespace steeple::devserver
