// `api fetch jwt` and `api validate jwt` (config-cli 4.4, 4.5).
#include "agent/cli/api_commands.h"
#include "agent/cli/client_flags.h"
#include "agent/cli/jwt_response.h"
#include "agent/cli/workload_client.h"
#include "spiffe/workload/workload.pb.h"

namespace steeple::agent::cli {
namespace {

using runtime::Bytes;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

struct Flags {
  SocketFlags socket;
  std::chrono::nanoseconds timeout{};
  OutputFormat format;
};

void add_common(FlagSet& set, Flags& flags) {
  add_socket_flags(set, flags.socket);
  add_timeout_flag(set, flags.timeout);
  add_output_flag(set, flags.format);
}

Error missing(const char* text) { return Error(ErrorCode::kInvalidArgument, text); }

struct FetchFlags : Flags {
  std::vector<std::string> audience;
  std::string spiffe_id;

  FlagSet set() {
    FlagSet flags("fetch jwt");
    add_common(flags, *this);
    add_output_flag(flags, format, "format");
    flags.add_value(
        "audience",
        [this](const std::string& text) {
          audience = split(text);
          return Result<void>();
        },
        "Audiences of the JWT-SVID, with commas");
    flags.add("spiffeID", spiffe_id, "SPIFFE ID of the JWT-SVID (default: all)");
    return flags;
  }
  // At each comma, nothing trimmed; of no text one empty name.
  static std::vector<std::string> split(const std::string& text) {
    std::vector<std::string> names;
    std::size_t from = 0;
    for (std::size_t comma; (comma = text.find(',', from)) != std::string::npos; from = comma + 1) {
      names.push_back(text.substr(from, comma - from));
    }
    names.push_back(text.substr(from));
    return names;
  }
};

struct ValidateFlags : Flags {
  std::string audience;
  std::string svid;

  FlagSet set() {
    FlagSet flags("validate jwt");
    add_common(flags, *this);
    flags.add("audience", audience, "Audience that must be in the token");
    flags.add("svid", svid, "JWT-SVID to validate");
    return flags;
  }
};

// The bundles first, then the tokens; each call has the whole timeout.
Result<void> run(const FetchFlags& flags, Context& context) {
  STEEPLE_TRY(socket, resolve_socket(flags.socket, context.environment));
  if (flags.audience.empty()) return missing("audience must be specified");
  bool opened = false;
  Result<Bytes, Status> bundles =
      fetch_first_message(socket, "/SpiffeWorkloadAPI/FetchJWTBundles", deadline_of(flags.timeout), &opened);
  if (!bundles) {
    Error error = to_error(bundles.error());
    return opened ? error : std::move(error).with_context("failed to receive JWT bundles");
  }
  ::JWTSVIDRequest request;
  for (const std::string& name : flags.audience) request.add_audience(name);
  request.set_spiffe_id(flags.spiffe_id);
  Result<Bytes, Status> svids = call_workload_api(socket, "/SpiffeWorkloadAPI/FetchJWTSVID",
                                                  request.SerializeAsString(), deadline_of(flags.timeout));
  if (!svids) return to_error(svids.error());
  STEEPLE_TRY(text, flags.format.json() ? json_jwt_response(*svids, *bundles) : pretty_jwt_response(*svids, *bundles));
  context.output.out(text);
  return {};
}

Result<void> run(const ValidateFlags& flags, Context& context) {
  STEEPLE_TRY(socket, resolve_socket(flags.socket, context.environment));
  if (flags.audience.empty()) return missing("audience must be specified");
  if (flags.svid.empty()) return missing("svid must be specified");
  ::ValidateJWTSVIDRequest request;
  request.set_audience(flags.audience);
  request.set_svid(flags.svid);
  Result<Bytes, Status> message = call_workload_api(socket, "/SpiffeWorkloadAPI/ValidateJWTSVID",
                                                    request.SerializeAsString(), deadline_of(flags.timeout));
  if (!message && message.error().code() == StatusCode::kInvalidArgument) {
    return Error(ErrorCode::kInvalidArgument, "SVID is not valid: " + message.error().message());
  }
  if (!message) return to_error(message.error()).with_context("unable to validate JWT SVID");
  STEEPLE_TRY(text, flags.format.json() ? json_validation(*message) : pretty_validation(*message));
  context.output.out(text);
  return {};
}

template <class CommandFlags>
int command(const Arguments& arguments, Context& context) {
  CommandFlags flags;
  FlagSet set = flags.set();
  Result<void> done;
  if (Result<Arguments> rest = set.parse(arguments); !rest) {
    print_flag_error(set, rest.error(), context);
    done = rest.error();
  } else {
    done = run(flags, context);
  }
  if (done) return 0;
  context.output.err(done.error().message() + "\n");
  return 1;
}

}  // namespace

int fetch_jwt_command(const Arguments& arguments, Context& context) { return command<FetchFlags>(arguments, context); }
std::string fetch_jwt_usage() { return FetchFlags().set().usage(); }
int validate_jwt_command(const Arguments& arguments, Context& context) {
  return command<ValidateFlags>(arguments, context);
}
std::string validate_jwt_usage() { return ValidateFlags().set().usage(); }

}  // namespace steeple::agent::cli
