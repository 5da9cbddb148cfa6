#include "agent/config/load.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <cerrno>

#include "agent/config/checks.h"
#include "agent/config/listeners.h"
#include "agent/config/paths.h"
#include "agent/config/schema.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "runtime/os/file_descriptor.h"

namespace steeple::agent {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Logger;
using runtime::Result;
using std::chrono::nanoseconds;

constexpr std::size_t kJoinTokenFileSizeMax = 64 * 1024;
constexpr auto kAvailabilityTargetMin = std::chrono::hours(24);

Error invalid(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

std::string lower_case(std::string text) {
  for (char& c : text) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
  return text;
}

Result<void> set_rebootstrap(const AgentSection& agent, AgentConfig& config) {
  if (agent.rebootstrap_mode == "auto") {
    config.rebootstrap_mode = RebootstrapMode::kAuto;
  } else if (agent.rebootstrap_mode == "always") {
    config.rebootstrap_mode = RebootstrapMode::kAlways;
  } else if (agent.rebootstrap_mode != "never") {
    return invalid(fmt::format("unknown rebootstrap mode specified: {}", agent.rebootstrap_mode));
  }
  if (config.rebootstrap_mode != RebootstrapMode::kNever && agent.insecure_bootstrap) {
    return invalid("insecure_bootstrap option can not be used with rebootstrapping");
  }
  Result<nanoseconds> delay = runtime::parse_go_duration(agent.rebootstrap_delay);
  if (!delay) return std::move(delay.error()).with_context("error parsing rebootstrap delay duration");
  config.rebootstrap_delay = *delay;
  if (agent.experimental.sync_interval.empty()) return {};
  Result<nanoseconds> interval = runtime::parse_go_duration(agent.experimental.sync_interval);
  if (!interval) return std::move(interval.error()).with_context("could not parse synchronization interval");
  config.sync_interval = *interval;
  return {};
}

// Opens it once as the log will, for the error in the words that SPIRE's users know.
Result<void> check_log_file(const std::string& path) {
  const runtime::FileDescriptor file(open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640));
  if (!file) return runtime::path_error("open", path, errno);
  return {};
}

Result<void> set_log(const AgentSection& agent, const LoadContext& context, AgentConfig& config) {
  std::unique_ptr<runtime::LogSink> sink;
  if (!agent.log_file.empty()) {
    STEEPLE_CHECK(check_log_file(agent.log_file));
    STEEPLE_TRY(file, runtime::open_file_sink(agent.log_file));
    sink = std::move(file);
    config.logs_to_file = true;
  } else {
    sink = context.make_sink(context.sink_argument);
  }
  Result<runtime::LogLevel> level = runtime::parse_log_level(agent.log_level);
  if (!level) {
    return invalid(
        fmt::format("could not start logger: not a valid logrus Level: {}", runtime::go_quote(agent.log_level)));
  }
  runtime::LogFormat format = runtime::LogFormat::kDefault;
  if (const std::string wanted = lower_case(agent.log_format); wanted == "text") {
    format = runtime::LogFormat::kText;
  } else if (wanted == "json") {
    format = runtime::LogFormat::kJson;
  } else if (!wanted.empty()) {
    return invalid(
        fmt::format("could not start logger: unknown logger format: {}", runtime::go_quote(agent.log_format)));
  }
  config.log = Logger(std::move(sink), *level, format);
  config.log_selectors = agent.log_selectors;
  if (agent.log_source_location) config.log.show_source_location();
  return {};
}

// Steps 14 and 15.
Result<void> set_caches(const AgentSection& agent, AgentConfig& config) {
  const ExperimentalSection& experimental = agent.experimental;
  if (const std::string& text = experimental.jwt_svid_cache_hit_timeout; !text.empty()) {
    Result<nanoseconds> timeout = runtime::parse_go_duration(text);
    if (!timeout) return std::move(timeout.error()).with_context("could not parse jwt_svid_cache_hit_timeout");
    const std::string shown = runtime::go_duration(*timeout);
    if (*timeout < std::chrono::seconds(5)) {
      return invalid(fmt::format("jwt_svid_cache_hit_timeout ({}) must be greater than 5s", shown));
    }
    if (*timeout >= std::chrono::seconds(30)) {
      return invalid(fmt::format("jwt_svid_cache_hit_timeout ({}) must be less than 30s", shown));
    }
    config.log.warning("The use of 'jwt_svid_cache_hit_timeout' is experimental");
    config.jwt_svid_cache_hit_timeout = *timeout;
  }
  if (experimental.use_sync_authorized_entries) {
    config.log.warning(
        "The 'use_sync_authorized_entries' configuration is deprecated. The option to disable it will be removed in "
        "SPIRE 1.13.",
        {{"alert", true}, {"alert_type", "deprecated_config"}});
    config.use_sync_authorized_entries = *experimental.use_sync_authorized_entries;
  }
  if (agent.x509_svid_cache_max_size < 0) return invalid("x509_svid_cache_max_size should not be negative");
  config.x509_svid_cache_max_size = agent.x509_svid_cache_max_size;
  if (agent.jwt_svid_cache_max_size < 0) return invalid("jwt_svid_cache_max_size should not be negative");
  config.jwt_svid_cache_max_size = agent.jwt_svid_cache_max_size;
  return {};
}

Result<void> set_trust_domain(const AgentSection& agent, AgentConfig& config) {
  Result<TrustDomain> trust_domain = TrustDomain::parse(agent.trust_domain);
  if (!trust_domain) {
    return std::move(trust_domain.error())
        .with_context(fmt::format("could not parse trust_domain {}", runtime::go_quote(agent.trust_domain)));
  }
  config.trust_domain = std::move(*trust_domain);
  if (config.trust_domain.name().size() > 255) {
    config.log.warning(
        "Configured trust domain name should be less than 255 characters to be SPIFFE compliant; a longer trust domain "
        "name may impact interoperability",
        {{"trust_domain", config.trust_domain.name()}});
  }
  return {};
}

Result<void> set_sockets(const AgentSection& agent, AgentConfig& config) {
  config.disable_workload_api = agent.disable_workload_api;
  config.disable_sds_api = agent.disable_sds_api;
  config.sds = {agent.sds.default_svid_name, agent.sds.default_bundle_name, agent.sds.default_all_bundles_name,
                agent.sds.disable_spiffe_cert_validation};
  if (!agent.disable_workload_api || !agent.disable_sds_api) {
    STEEPLE_TRY(path, absolute_path(agent.socket_path));
    config.socket_path = std::move(path);
  }
  STEEPLE_CHECK(check_admin_socket(agent));
  config.authorized_delegates = agent.authorized_delegates;
  if (agent.admin_socket_path.empty()) return {};
  STEEPLE_TRY(admin_path, absolute_path(agent.admin_socket_path));
  config.admin_socket_path = std::move(admin_path);
  return {};
}

Result<void> set_join_token(const AgentSection& agent, AgentConfig& config) {
  if (agent.join_token_file.empty()) {
    config.join_token = runtime::SecretBytes(runtime::as_bytes(agent.join_token));
    return {};
  }
  Result<std::string> text = runtime::read_file(agent.join_token_file, kJoinTokenFileSizeMax);
  if (!text) {
    return std::move(text.error())
        .with_context(fmt::format("unable to read join token file {}", runtime::go_quote(agent.join_token_file)));
  }
  static constexpr std::string_view kSpace = " \t\n\v\f\r";
  const std::size_t begin = text->find_first_not_of(kSpace);
  if (begin == std::string::npos) return invalid("join token file is empty");
  const std::string_view token = std::string_view(*text).substr(begin, text->find_last_not_of(kSpace) + 1 - begin);
  config.join_token = runtime::SecretBytes(runtime::as_bytes(token));
  runtime::wipe_memory(text->data(), text->size());
  return {};
}

Result<void> set_key_type(const AgentSection& agent, AgentConfig& config) {
  if (agent.sds.default_bundle_name == agent.sds.default_all_bundles_name) {
    config.log.warning(
        "The \"default_bundle_name\" and \"default_all_bundles_name\" configurables have the same value. "
        "\"default_all_bundles_name\" will be ignored. Please configure distinct values or use the defaults. This will "
        "be "
        "a configuration error in a future release.");
  }
  const std::string type = lower_case(agent.workload_x509_svid_key_type);
  if (type == "ec-p256") {
    config.workload_key_type = WorkloadKeyType::kEcP256;
  } else if (type == "ec-p384") {
    config.workload_key_type = WorkloadKeyType::kEcP384;
  } else if (type == "rsa-2048") {
    config.workload_key_type = WorkloadKeyType::kRsa2048;
  } else {
    return invalid(fmt::format("key type {} is unknown; must be one of [rsa-2048, ec-p256, ec-p384]",
                               runtime::go_quote(agent.workload_x509_svid_key_type)));
  }
  return {};
}

Result<void> set_availability_target(const AgentSection& agent, AgentConfig& config) {
  if (agent.availability_target.empty()) return {};
  Result<nanoseconds> target = runtime::parse_go_duration(agent.availability_target);
  if (!target) return std::move(target.error()).with_context("unable to parse availability_target");
  if (*target < kAvailabilityTargetMin) {
    return invalid(
        fmt::format("availability_target must be at least {}", runtime::go_duration(kAvailabilityTargetMin)));
  }
  config.availability_target = *target;
  return {};
}

Result<void> set_io_backend(const AgentSection& agent, const Environment& environment, AgentConfig& config) {
  const std::string from_environment = environment("STEEPLE_IO_BACKEND").value_or("");
  const bool overridden = !from_environment.empty();
  const std::string& wanted = overridden ? from_environment : agent.io_backend;
  if (wanted == "auto") {
    config.io_backend = IoBackend::kAuto;
  } else if (wanted == "io_uring") {
    config.io_backend = IoBackend::kIoUring;
  } else if (wanted == "epoll") {
    config.io_backend = IoBackend::kEpoll;
  } else {
    return invalid(fmt::format("{} must be \"auto\", \"io_uring\" or \"epoll\"; got {}",
                               overridden ? "STEEPLE_IO_BACKEND" : "io_backend", runtime::go_quote(wanted)));
  }
  return {};
}

void set_plain_values(const AgentSection& agent, AgentConfig& config) {
  config.server_address = agent.server_address;
  config.server_port = agent.server_port;
  config.data_dir = agent.data_dir;
  config.allow_unauthenticated_verifiers = agent.allow_unauthenticated_verifiers;
  config.allowed_foreign_jwt_claims = agent.allowed_foreign_jwt_claims;
  const RateLimitSection& limits = agent.experimental.ratelimit;
  config.rate_limits = {limits.fetch_x509_svid.value_or(0),    limits.fetch_jwt_svid.value_or(0),
                        limits.fetch_x509_bundles.value_or(0), limits.fetch_jwt_bundles.value_or(0),
                        limits.stream_secrets.value_or(0),     limits.fetch_secrets.value_or(0)};
  config.bootstrap.insecure = agent.insecure_bootstrap;
  config.bootstrap.path = agent.trust_bundle_path;
  config.bootstrap.url = agent.trust_bundle_url;
  config.bootstrap.unix_socket = agent.trust_bundle_unix_socket;
  config.bootstrap.format =
      agent.trust_bundle_format == "spiffe" ? TrustBundleFormat::kSpiffe : TrustBundleFormat::kPem;
}

void warn_about_experiments(const ExperimentalSection& experimental, const Logger& log) {
  if (!experimental.is_empty()) {
    log.warning(
        "Experimental features have been enabled. Please see doc/upgrading.md for upgrade and compatibility "
        "considerations for experimental features.");
  }
  for (const std::string& flag : experimental.feature_flags) {
    log.warning(fmt::format("Developer feature flag {} has been enabled", runtime::go_quote(flag)));
  }
}

}  // namespace

LoadContext process_context() {
  LoadContext context;
  context.environment = process_environment();
  context.make_sink = [](void*) { return runtime::make_stdout_sink(); };
  return context;
}

Result<AgentConfig> load_config(const ConfigFlags& flags, const LoadContext& context) {
  STEEPLE_TRY(file, read_config_file(flags.config_path, flags.expand_env, context.environment));
  merge_flags_and_defaults(file, flags);
  const AgentSection& agent = file.agent;
  AgentConfig config;
  STEEPLE_CHECK(check_feature_flags(agent.experimental.feature_flags));
  if (!file.plugins) return invalid("plugins section must be configured");
  STEEPLE_CHECK(check_required_and_sources(agent));
  STEEPLE_CHECK(set_rebootstrap(agent, config));
  STEEPLE_CHECK(set_log(agent, context, config));
  STEEPLE_CHECK(set_caches(agent, config));
  STEEPLE_CHECK(set_trust_domain(agent, config));
  STEEPLE_CHECK(set_sockets(agent, config));
  STEEPLE_CHECK(set_join_token(agent, config));
  STEEPLE_CHECK(set_key_type(agent, config));
  STEEPLE_TRY(plugins, read_plugins(file.document, *file.plugins, &file.notes));
  config.plugins = std::move(plugins);
  STEEPLE_CHECK(check_unknown_keys(file, config.log));
  STEEPLE_CHECK(check_delegates(agent, config.trust_domain));
  STEEPLE_CHECK(check_broker(agent));
  STEEPLE_CHECK(set_availability_target(agent, config));
  STEEPLE_CHECK(check_rate_limits(agent.experimental.ratelimit));
  warn_about_experiments(agent.experimental, config.log);
  warn_about_old_keys(file, config.log);
  set_plain_values(agent, config);
  set_listeners(file, config);
  STEEPLE_CHECK(set_io_backend(agent, context.environment, config));
  STEEPLE_CHECK(refuse_missing_features(file));
  STEEPLE_CHECK(refuse_missing_plugins(config.plugins));
  return config;
}

}  // namespace steeple::agent
