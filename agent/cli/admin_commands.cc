#include "agent/cli/admin_commands.h"

#include <fmt/format.h>

#include "agent/cli/client_flags.h"
#include "agent/cli/workload_client.h"
#include "agent/config/paths.h"
#include "runtime/core/go_text.h"
#include "spire/agent/debug/v1/debug.pb.h"
#include "spire/api/agent/logger/v1/logger.pb.h"

namespace steeple::agent::cli {

using runtime::Error;
using runtime::ErrorCode;
using runtime::LogLevel;
using runtime::Result;
using spire::agent::debug::v1::GetInfoResponse;
using spire::api::agent::logger::v1::SetLogLevelRequest;
namespace types = spire::api::types;

namespace {

constexpr std::string_view kDefaultAdminSocket = "/tmp/spire-agent/private/admin.sock";
constexpr const char* kGetLogger = "/spire.api.agent.logger.v1.Logger/GetLogger";
constexpr const char* kSetLogLevel = "/spire.api.agent.logger.v1.Logger/SetLogLevel";
constexpr const char* kResetLogLevel = "/spire.api.agent.logger.v1.Logger/ResetLogLevel";
constexpr const char* kGetInfo = "/spire.agent.debug.v1.Debug/GetInfo";

struct Flags {
  explicit Flags(bool with_level) : has_level(with_level) {}
  FlagSet set(std::string_view name) {
    FlagSet flags{std::string(name)};
    flags.add("socketPath", socket, "Path to the SPIRE Agent admin Unix domain socket");
    add_output_flag(flags, format);
    if (has_level) flags.add("level", level, "Log level: panic, fatal, error, warn, info, debug or trace");
    return flags;
  }
  bool has_level;
  std::string socket{kDefaultAdminSocket};
  OutputFormat format;
  std::string level;
};

// A failed dial names the address as the stock command does: two slashes before an absolute path, a relative one as it
// was given.
std::string dialled_text(std::string text, const std::string& dialled, std::string_view given) {
  const std::string named = "dial unix " + dialled;
  const std::string wanted = fmt::format("dial unix {}{}", given.starts_with('/') ? "//" : "", given);
  if (std::size_t at = text.find(named); at != std::string::npos) text.replace(at, named.size(), wanted);
  return text;
}

// `what`: the words before a failed call's status, if any.
template <class Response>
Result<Response> call(const Flags& flags, const char* method, const std::string& request, std::string_view what) {
  const std::string_view socket = flags.socket.empty() ? kDefaultAdminSocket : std::string_view(flags.socket);
  STEEPLE_TRY(path, absolute_path(socket));
  auto message = call_unary(path, method, request);
  if (!message)
    return Error(ErrorCode::kUnavailable, std::string(what) + dialled_text(message.error().text(), path, socket));
  Response response;
  if (!response.ParseFromArray(message->data(), static_cast<int>(message->size())))
    return Error(ErrorCode::kMalformed, std::string(what) + "failed to parse the response");
  return response;
}

std::string level_name(types::LogLevel level) {
  if (level <= types::UNSPECIFIED || !types::LogLevel_IsValid(level)) return "unknown";
  return std::string(to_string(static_cast<LogLevel>(static_cast<int>(level) - 1)));
}

std::string print_logger(const types::Logger& logger, bool json) {
  if (json) {
    return fmt::format("{{\"current_level\":\"{}\",\"launch_level\":\"{}\"}}\n",
                       types::LogLevel_Name(logger.current_level()), types::LogLevel_Name(logger.launch_level()));
  }
  return fmt::format("Logger Level : {}\nLaunch Level : {}\n\n", level_name(logger.current_level()),
                     level_name(logger.launch_level()));
}

Result<std::string> set_request(const std::string& level) {
  if (level.empty()) return Error(ErrorCode::kInvalidArgument, "a value (-level) must be set");
  Result<LogLevel> parsed = runtime::parse_log_level(level);
  if (!parsed) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("the value {} is not a valid setting", runtime::go_quote(level)));
  }
  SetLogLevelRequest request;
  request.set_new_level(static_cast<types::LogLevel>(static_cast<int>(*parsed) + 1));
  return request.SerializeAsString();
}

runtime::WallTime from_unix(std::int64_t seconds) { return runtime::WallTime(std::chrono::seconds(seconds)); }

std::string pretty_info(const GetInfoResponse& info) {
  const std::string synced =
      info.last_sync_success() == 0 ? "(never)" : runtime::rfc3339(from_unix(info.last_sync_success()));
  std::string text = fmt::format(
      "Agent Debug Info:\n"
      "  Uptime:                          {}\n"
      "  Last Sync Success:               {}\n"
      "  Cached X.509 SVIDs:              {}\n"
      "  Cached JWT SVIDs:                {}\n"
      "  Cached SVID Store X.509 SVIDs:   {}\n",
      runtime::go_duration(std::chrono::seconds(info.uptime())), synced, info.cached_x509_svids_count(),
      info.cached_jwt_svids_count(), info.cached_svidstore_x509_svids_count());
  if (info.svid_chain_size() != 0) text += "  SVID Chain:\n";
  for (int i = 0; i < info.svid_chain_size(); ++i) {
    const auto& certificate = info.svid_chain(i);
    const auto& id = certificate.id();
    const std::string name = certificate.has_id() ? fmt::format("spiffe://{}{}", id.trust_domain(), id.path()) : "";
    text += fmt::format("    [{}] SPIFFE ID:  {}\n        Subject:    {}\n        Expires At: {}\n", i, name,
                        certificate.subject(), runtime::rfc3339(from_unix(certificate.expires_at())));
  }
  return text;
}

std::string json_info(const GetInfoResponse& info) {
  std::vector<std::string> chain;
  for (const auto& certificate : info.svid_chain()) {
    const std::string id = certificate.has_id() ? fmt::format("{{\"path\":{},\"trust_domain\":{}}}",
                                                              runtime::json_string(certificate.id().path()),
                                                              runtime::json_string(certificate.id().trust_domain()))
                                                : "null";
    chain.push_back(fmt::format("{{\"expires_at\":\"{}\",\"id\":{},\"subject\":{}}}", certificate.expires_at(), id,
                                runtime::json_string(certificate.subject())));
  }
  return fmt::format(
      "{{\"cached_jwt_svids_count\":{},\"cached_svidstore_x509_svids_count\":{},\"cached_x509_svids_count\":{},"
      "\"last_sync_success\":\"{}\",\"svid_chain\":[{}],\"svids_count\":{},\"uptime\":{}}}\n",
      info.cached_jwt_svids_count(), info.cached_svidstore_x509_svids_count(), info.cached_x509_svids_count(),
      info.last_sync_success(), fmt::join(chain, ","), info.svids_count(), info.uptime());
}

Result<std::string> logger_text(const Flags& flags, const char* method, const std::string& request,
                                std::string_view what) {
  STEEPLE_TRY(logger, call<types::Logger>(flags, method, request, what));
  return print_logger(logger, flags.format.json());
}

Result<std::string> get_logger(const Flags& flags) {
  return logger_text(flags, kGetLogger, {}, "error fetching logger: ");
}
Result<std::string> set_logger(const Flags& flags) {
  STEEPLE_TRY(request, set_request(flags.level));
  return logger_text(flags, kSetLogLevel, request, "failed to set log level: ");
}
Result<std::string> reset_logger(const Flags& flags) {
  return logger_text(flags, kResetLogLevel, {}, "failed to reset logger: ");
}
Result<std::string> get_info(const Flags& flags) {
  STEEPLE_TRY(info, call<GetInfoResponse>(flags, kGetInfo, {}, {}));
  return flags.format.json() ? json_info(info) : pretty_info(info);
}

int run(Flags flags, std::string_view name, const Arguments& arguments, Context& context,
        Result<std::string> (*action)(const Flags& flags)) {
  FlagSet set = flags.set(name);
  if (Result<Arguments> rest = set.parse(arguments); !rest) {
    print_flag_error(set, rest.error(), context);
    return 1;
  }
  Result<std::string> text = action(flags);
  if (!text) {
    context.output.err("Error: " + text.error().message() + "\n");
    return 1;
  }
  context.output.out(*text);
  return 0;
}

}  // namespace

int logger_get_command(const Arguments& arguments, Context& context) {
  return run(Flags(false), "logger get", arguments, context, get_logger);
}
std::string logger_get_usage() { return Flags(false).set("logger get").usage(); }
int logger_set_command(const Arguments& arguments, Context& context) {
  return run(Flags(true), "logger set", arguments, context, set_logger);
}
std::string logger_set_usage() { return Flags(true).set("logger set").usage(); }
int logger_reset_command(const Arguments& arguments, Context& context) {
  return run(Flags(false), "logger reset", arguments, context, reset_logger);
}
std::string logger_reset_usage() { return Flags(false).set("logger reset").usage(); }
int debug_getinfo_command(const Arguments& arguments, Context& context) {
  return run(Flags(false), "debug getinfo", arguments, context, get_info);
}
std::string debug_getinfo_usage() { return Flags(false).set("debug getinfo").usage(); }

}  // namespace steeple::agent::cli
