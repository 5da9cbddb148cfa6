#include "agent/cli/missing_commands.h"

#include <fmt/format.h>

#include "agent/cli/client_flags.h"

namespace steeple::agent::cli {
namespace {

// Where the values of flags go; nothing reads them but the parser's checks.
struct Values {
  SocketFlags socket;
  std::chrono::nanoseconds timeout{};
  OutputFormat format;
  std::string text;
  std::string admin_socket = "/tmp/spire-agent/private/admin.sock";
};

using AddFlags = void (*)(FlagSet& flags, Values& values);

void fetch_jwt_flags(FlagSet& flags, Values& values) {
  add_socket_flags(flags, values.socket);
  add_timeout_flag(flags, values.timeout);
  add_output_flag(flags, values.format);
  add_output_flag(flags, values.format, "format");
  flags.add_value(
      "audience", [](const std::string&) { return runtime::Result<void>(); }, "Audiences of the JWT-SVID, with commas");
  flags.add("spiffeID", values.text, "SPIFFE ID of the JWT-SVID (default: all)");
}

void validate_jwt_flags(FlagSet& flags, Values& values) {
  add_socket_flags(flags, values.socket);
  add_timeout_flag(flags, values.timeout);
  add_output_flag(flags, values.format);
  flags.add("audience", values.text, "Audience that must be in the token");
  flags.add("svid", values.text, "JWT-SVID to validate");
}

void admin_flags(FlagSet& flags, Values& values) {
  flags.add("socketPath", values.admin_socket, "Path to the SPIRE Agent admin Unix domain socket");
  add_output_flag(flags, values.format);
}

void logger_set_flags(FlagSet& flags, Values& values) {
  admin_flags(flags, values);
  flags.add("level", values.text, "Log level: panic, fatal, error, warn, info, debug or trace");
}

struct Missing {
  std::string_view words;
  std::string_view usage_name;
  AddFlags add_flags;
  bool repeats_flag_errors;  // as the SPIRE command does
};
constexpr Missing kFetchJwt{"api fetch jwt", "fetch jwt", fetch_jwt_flags, true};
constexpr Missing kValidateJwt{"api validate jwt", "validate jwt", validate_jwt_flags, true};
constexpr Missing kLoggerGet{"logger get", "logger get", admin_flags, false};
constexpr Missing kLoggerSet{"logger set", "logger set", logger_set_flags, false};
constexpr Missing kLoggerReset{"logger reset", "logger reset", admin_flags, false};
constexpr Missing kDebugGetinfo{"debug getinfo", "debug getinfo", admin_flags, false};

int refuse(const Missing& missing, const Arguments& arguments, Context& context) {
  Values values;
  FlagSet set{std::string(missing.usage_name)};
  missing.add_flags(set, values);
  if (runtime::Result<Arguments> rest = set.parse(arguments); !rest) {
    print_flag_error(set, rest.error(), context);
    if (missing.repeats_flag_errors) context.output.err(rest.error().message() + "\n");
    return 1;
  }
  context.output.err(fmt::format("{} is not available in this version of Steeple\n", missing.words));
  return 1;
}

std::string usage(const Missing& missing) {
  Values values;
  FlagSet set{std::string(missing.usage_name)};
  missing.add_flags(set, values);
  return set.usage();
}

}  // namespace

int fetch_jwt_command(const Arguments& arguments, Context& context) { return refuse(kFetchJwt, arguments, context); }
std::string fetch_jwt_usage() { return usage(kFetchJwt); }
int validate_jwt_command(const Arguments& arguments, Context& context) {
  return refuse(kValidateJwt, arguments, context);
}
std::string validate_jwt_usage() { return usage(kValidateJwt); }
int logger_get_command(const Arguments& arguments, Context& context) { return refuse(kLoggerGet, arguments, context); }
std::string logger_get_usage() { return usage(kLoggerGet); }
int logger_set_command(const Arguments& arguments, Context& context) { return refuse(kLoggerSet, arguments, context); }
std::string logger_set_usage() { return usage(kLoggerSet); }
int logger_reset_command(const Arguments& arguments, Context& context) {
  return refuse(kLoggerReset, arguments, context);
}
std::string logger_reset_usage() { return usage(kLoggerReset); }
int debug_getinfo_command(const Arguments& arguments, Context& context) {
  return refuse(kDebugGetinfo, arguments, context);
}
std::string debug_getinfo_usage() { return usage(kDebugGetinfo); }

}  // namespace steeple::agent::cli
