#include "agent/cli/api_commands.h"
#include "agent/cli/client_flags.h"
#include "agent/cli/workload_client.h"
#include "agent/cli/x509_response.h"

namespace steeple::agent::cli {
namespace {

// Prints each update with the time since the one before.
class Printer final : public WatchEvents {
 public:
  explicit Printer(Output& output) : output_(output) {}

  void on_message(runtime::BytesView message) override {
    const runtime::Result<X509Response> response = parse_x509_response(message, ResponseUse::kWatched);
    if (!response) return on_error(response.error().message());
    const auto now = std::chrono::steady_clock::now();
    output_.out(pretty_x509_response(*response, now - last_, ResponseUse::kWatched));
    last_ = now;
  }
  void on_error(const std::string& text) override { output_.err(text + "\n"); }

 private:
  Output& output_;
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

FlagSet flag_set(SocketFlags& socket) {
  FlagSet flags("watch");
  add_socket_flags(flags, socket);
  return flags;
}

}  // namespace

int watch_command(const Arguments& arguments, Context& context) {
  SocketFlags flags;
  FlagSet set = flag_set(flags);
  std::string ended_with;
  if (runtime::Result<Arguments> rest = set.parse(arguments); !rest) {
    print_flag_error(set, rest.error(), context);
    ended_with = rest.error().message();
  } else if (runtime::Result<std::string> socket = resolve_socket(flags, context.environment); !socket) {
    ended_with = socket.error().message();
  } else {
    Printer printer(context.output);
    ended_with = watch_x509_svids(*socket, printer);
  }
  context.output.err(ended_with + "\n");
  return 1;
}

std::string watch_usage() {
  SocketFlags flags;
  return flag_set(flags).usage();
}

}  // namespace steeple::agent::cli
