#include <google/protobuf/stubs/logging.h>

#include "agent/app/app.h"
#include "agent/cli/command.h"
#include "runtime/loop/signals.h"

int main(int argc, char** argv) {
  using namespace steeple;
  runtime::ignore_early_signals();
  google::protobuf::SetLogHandler(nullptr);  // what callers send is no line of the log
  agent::cli::StandardOutput output;
  agent::cli::Context context{output, agent::process_environment(), agent::run_agent};
  return agent::cli::dispatch({argv + 1, argv + argc}, context);
}
