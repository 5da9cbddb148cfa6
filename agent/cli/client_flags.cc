#include "agent/cli/client_flags.h"

#include <fmt/format.h>

#include "agent/config/paths.h"
#include "agent/config/schema.h"
#include "runtime/core/go_text.h"

namespace steeple::agent::cli {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

constexpr const char* kSocketEnvironment = "SPIRE_AGENT_PUBLIC_SOCKET";
constexpr const char* kTemplateEnvironment = "SPIRE_AGENT_PUBLIC_SOCKET_TEMPLATE";

Error wrong(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

std::string fill_template(std::string text, const std::string& instance) {
  for (std::size_t at = 0; (at = text.find("%i", at)) != std::string::npos; at += instance.size()) {
    text.replace(at, 2, instance);
  }
  return text;
}

}  // namespace

Result<void> OutputFormat::set(const std::string& text) {
  const std::string_view current = json_ ? "json" : "pretty";
  if (is_set_ && text != current) {
    return wrong(fmt::format("the output format has already been set to \"{}\"", current));
  }
  std::string lower = text;
  for (char& c : lower) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  if (lower != "json" && lower != "pretty" && lower != "prettyprint") {
    return wrong(fmt::format("bad formatter flag: unknown format option: {}", runtime::go_quote(text)));
  }
  json_ = lower == "json";
  is_set_ = true;
  return {};
}

void add_socket_flags(FlagSet& flags, SocketFlags& socket) {
  socket.path = kDefaultSocketPath;
  flags.add("socketPath", socket.path, "Path to the SPIRE Agent API Unix domain socket");
  flags.add("instance", socket.instance,
            fmt::format("Instance name to substitute into socket templates (env {}).", kTemplateEnvironment));
}

void add_timeout_flag(FlagSet& flags, std::chrono::nanoseconds& timeout) {
  timeout = std::chrono::seconds(5);
  flags.add("timeout", timeout, "Time to wait for a response");
}

void add_output_flag(FlagSet& flags, OutputFormat& format, std::string_view name) {
  flags.add_value(
      name, [&format](const std::string& text) { return format.set(text); },
      "Desired output format (pretty, json); default: pretty.");
}

Result<std::string> resolve_socket(const SocketFlags& socket, const Environment& environment) {
  const std::string pattern = environment(kTemplateEnvironment).value_or("");
  const std::string by_environment = environment(kSocketEnvironment).value_or("");
  if (!socket.instance.empty()) {
    if (pattern.empty()) {
      return wrong(
          fmt::format(" {} environment variable must be defined when using the instance flag", kTemplateEnvironment));
    }
    if (pattern.find("%i") == std::string::npos) {
      return wrong(fmt::format("failed to find %i in {}", kTemplateEnvironment));
    }
  }
  if (socket.path != kDefaultSocketPath) return absolute_path(socket.path);
  if (!socket.instance.empty()) return absolute_path(fill_template(pattern, socket.instance));
  return absolute_path(by_environment.empty() ? std::string(kDefaultSocketPath) : by_environment);
}

runtime::Deadline deadline_of(std::chrono::nanoseconds timeout) {
  return timeout <= std::chrono::nanoseconds::zero() ? runtime::Deadline::never() : runtime::Deadline::in(timeout);
}

}  // namespace steeple::agent::cli
