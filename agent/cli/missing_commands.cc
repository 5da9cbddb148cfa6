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

struct Missing {
  std::string_view words;
  std::string_view usage_name;
  AddFlags add_flags;
  bool repeats_flag_errors;  // as the SPIRE command does
};
constexpr Missing kFetchJwt{"api fetch jwt", "fetch jwt", fetch_jwt_flags, true};
constexpr Missing kValidateJwt{"api validate jwt", "validate jwt", validate_jwt_flags, true};

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

}  // namespace steeple::agent::cli
