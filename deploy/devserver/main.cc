#include "deploy/devserver/cli/command.h"
#include "runtime/loop/signals.h"

int main(int argc, char** argv) {
  steeple::runtime::ignore_early_signals();
  steeple::devserver::ProcessTerminal terminal;
  return steeple::devserver::run_command_line({argv + 1, argv + argc}, terminal);
}
