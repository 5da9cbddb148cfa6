#include "agent/cli/api_commands.h"
#include "agent/cli/client_flags.h"
#include "agent/cli/workload_client.h"
#include "agent/cli/x509_response.h"

namespace steeple::agent::cli {
namespace {

struct Flags {
  SocketFlags socket;
  std::chrono::nanoseconds timeout{};
  OutputFormat format;
  bool silent = false;
  std::string write_path;

  FlagSet set() {
    FlagSet flags("fetch x509");
    add_socket_flags(flags, socket);
    add_timeout_flag(flags, timeout);
    add_output_flag(flags, format);
    flags.add("silent", silent, "Suppress stdout");
    flags.add("write", write_path,
              "Write SVID data to the specified path (optional; only available for pretty output format)");
    return flags;
  }
};

runtime::Result<void> show(const Flags& flags, runtime::BytesView message, std::chrono::nanoseconds took,
                           Context& context) {
  if (flags.format.json()) {
    STEEPLE_TRY(text, json_x509_response(message));
    context.output.out(text);
    return {};
  }
  STEEPLE_TRY(response, parse_x509_response(message, ResponseUse::kFetched));
  STEEPLE_CHECK(verify_x509_response(response, std::chrono::system_clock::now()));
  if (!flags.silent) context.output.out(pretty_x509_response(response, took, ResponseUse::kFetched));
  if (flags.write_path.empty()) return {};
  return write_x509_files(response, flags.write_path, context.output);
}

runtime::Result<void> fetch(const Flags& flags, Context& context) {
  STEEPLE_TRY(socket, resolve_socket(flags.socket, context.environment));
  const auto started = std::chrono::steady_clock::now();
  auto message = fetch_first_message(socket, kFetchX509SvidPath, deadline_of(flags.timeout));
  if (!message) return runtime::grpc::to_error(message.error());
  runtime::Result<void> shown = show(flags, *message, std::chrono::steady_clock::now() - started, context);
  runtime::wipe_memory(message->data(), message->size());
  return shown;
}

}  // namespace

int fetch_x509_command(const Arguments& arguments, Context& context) {
  Flags flags;
  FlagSet set = flags.set();
  runtime::Result<void> done;
  if (runtime::Result<Arguments> rest = set.parse(arguments); !rest) {
    print_flag_error(set, rest.error(), context);
    done = rest.error();
  } else {
    done = fetch(flags, context);
  }
  if (done) return 0;
  context.output.err(done.error().message() + "\n");
  return 1;
}

std::string fetch_x509_usage() {
  Flags flags;
  return flags.set().usage();
}

}  // namespace steeple::agent::cli
