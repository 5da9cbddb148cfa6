#include "deploy/devserver/config/config.h"

#include <fmt/format.h>

#include "agent/config/hcl/object_reader.h"
#include "agent/config/hcl/parser.h"
#include "deploy/devserver/config/plugins.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"

namespace steeple::devserver {
namespace {

namespace hcl = agent::hcl;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using std::chrono::seconds;

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

Result<void> read_duration(hcl::ObjectReader& reader, std::string_view key, seconds& out) {
  std::optional<std::string> text;
  STEEPLE_CHECK(reader.read(key, text));
  if (!text || text->empty()) return {};
  auto duration = runtime::parse_go_duration(*text);
  if (!duration) return std::move(duration.error()).with_context(fmt::format("could not parse {}", key));
  if (*duration < seconds(1)) return invalid(fmt::format("{} must be at least 1s", key));
  out = std::chrono::duration_cast<seconds>(*duration);
  return {};
}

Result<void> read_log(hcl::ObjectReader& reader, DevServerConfig& config) {
  std::string level;
  std::string format;
  STEEPLE_CHECK(reader.read("log_file", config.log_file));
  STEEPLE_CHECK(reader.read("log_level", level));
  STEEPLE_CHECK(reader.read("log_format", format));
  if (!level.empty()) {
    STEEPLE_TRY(parsed, runtime::with_context(runtime::parse_log_level(level), "could not parse log_level"));
    config.log_level = parsed;
  }
  if (format == "json") {
    config.log_format = runtime::LogFormat::kJson;
  } else if (format == "text") {
    config.log_format = runtime::LogFormat::kText;
  } else if (!format.empty()) {
    return invalid(fmt::format("unknown log_format {}: \"text\" or \"json\"", runtime::go_quote(format)));
  }
  return {};
}

Result<void> read_ttls(hcl::ObjectReader& reader, DevServerConfig& config) {
  ServerSettings& settings = config.settings;
  STEEPLE_CHECK(read_duration(reader, "ca_ttl", config.ca_ttl));
  STEEPLE_CHECK(read_duration(reader, "default_x509_svid_ttl", settings.x509_svid_ttl));
  STEEPLE_CHECK(read_duration(reader, "default_jwt_svid_ttl", settings.jwt_svid_ttl));
  settings.agent_ttl = settings.x509_svid_ttl;
  return read_duration(reader, "agent_ttl", settings.agent_ttl);
}

// An empty block counts for nothing, as in SPIRE.
Result<void> read_ca_subject(hcl::ObjectReader& server, DevServerConfig& config) {
  AuthoritySubject subject{{}, {}, {}};
  STEEPLE_TRY(given, server.read_block("ca_subject", [&](hcl::ObjectReader& reader) -> Result<void> {
    STEEPLE_CHECK(reader.read("country", subject.country));
    STEEPLE_CHECK(reader.read("organization", subject.organization));
    STEEPLE_CHECK(reader.read("common_name", subject.common_name));
    return refuse_unknown_keys(reader, "ca_subject");
  }));
  if (given && !subject.empty()) config.ca_subject = std::move(subject);
  return {};
}

Result<void> read_server(hcl::ObjectReader& reader, DevServerConfig& config) {
  std::string trust_domain;
  std::int64_t port = config.bind_port;
  STEEPLE_CHECK(reader.read("trust_domain", trust_domain));
  STEEPLE_CHECK(reader.read("bind_address", config.bind_address));
  STEEPLE_CHECK(reader.read("bind_port", port));
  STEEPLE_CHECK(reader.read("socket_path", config.socket_path));
  STEEPLE_CHECK(reader.read("data_dir", config.data_dir));
  STEEPLE_CHECK(read_ttls(reader, config));
  STEEPLE_CHECK(read_ca_subject(reader, config));
  STEEPLE_CHECK(read_log(reader, config));
  STEEPLE_TRY(federation, reader.read_block("federation", [&](hcl::ObjectReader& block) -> Result<void> {
    STEEPLE_CHECK(read_federation(block, config.federation));
    return refuse_unknown_keys(block, "federation");
  }));
  static_cast<void>(federation);
  if (trust_domain.empty()) return invalid("trust_domain must be configured");
  if (config.bind_address.empty() || config.socket_path.empty()) {
    return invalid("bind_address and socket_path must be configured");
  }
  if (config.data_dir.empty()) return invalid("data_dir must be configured");
  if (port < 1 || port > 65535) return invalid(fmt::format("bind_port {} is not a port", port));
  config.bind_port = static_cast<std::uint16_t>(port);
  STEEPLE_TRY(name,
              runtime::with_context(agent::TrustDomain::parse(trust_domain),
                                    fmt::format("could not parse trust_domain {}", runtime::go_quote(trust_domain))));
  config.settings.trust_domain = std::move(name);
  return {};
}

Result<void> read_development(hcl::ObjectReader& reader, DevServerConfig& config) {
  Faults& faults = config.settings.faults;
  std::int64_t page_size = static_cast<std::int64_t>(config.settings.sync_page_size);
  std::vector<std::string> unsignable;
  STEEPLE_CHECK(reader.read("sync_page_size", page_size));
  STEEPLE_CHECK(read_duration(reader, "max_connection_age", config.connection_age_max));
  STEEPLE_CHECK(read_duration(reader, "refresh_hint_min", config.federation.hint_min));
  STEEPLE_CHECK(reader.read("without_sync_authorized_entries", faults.without_sync_authorized_entries));
  STEEPLE_CHECK(reader.read("agents_must_reattest", faults.agents_must_reattest));
  STEEPLE_CHECK(reader.read("fail_signing_of", unsignable));
  if (page_size < 1 || page_size > static_cast<std::int64_t>(kSyncPageSize)) {
    return invalid(fmt::format("sync_page_size must be between 1 and {}", kSyncPageSize));
  }
  config.settings.sync_page_size = static_cast<std::size_t>(page_size);
  faults.unsignable.insert(unsignable.begin(), unsignable.end());
  return {};
}

Result<void> read_telemetry(hcl::ObjectReader& reader, DevServerConfig& config) {
  PrometheusConfig prometheus;
  std::int64_t port = 0;
  STEEPLE_TRY(given, reader.read_block("Prometheus", [&](hcl::ObjectReader& block) -> Result<void> {
    STEEPLE_CHECK(block.read("host", prometheus.host));
    STEEPLE_CHECK(block.read("port", port));
    return refuse_unknown_keys(block, "Prometheus");
  }));
  if (!given) return {};
  if (port < 1 || port > 65535) return invalid(fmt::format("Prometheus: port {} is not a port", port));
  prometheus.port = static_cast<std::uint16_t>(port);
  config.prometheus = std::move(prometheus);
  return {};
}

// Reads a block and refuses the keys in it that nobody asked for.
Result<bool> read_whole(hcl::ObjectReader& parent, std::string_view key, DevServerConfig& config,
                        Result<void> (*read)(hcl::ObjectReader&, DevServerConfig&)) {
  return parent.read_block(key, [&](hcl::ObjectReader& reader) -> Result<void> {
    STEEPLE_CHECK(read(reader, config));
    return refuse_unknown_keys(reader, key);
  });
}

}  // namespace

Result<void> refuse_unknown_keys(const hcl::ObjectReader& reader, std::string_view where) {
  hcl::UnknownKeys unknown = reader.unknown_keys();
  std::vector<std::string> names = std::move(unknown.fatal);
  names.insert(names.end(), unknown.unnoticed.begin(), unknown.unnoticed.end());
  if (names.empty()) return {};
  return Error(ErrorCode::kUnimplemented, fmt::format("the development server does not know these keys of {}: {}",
                                                      where, runtime::go_quoted_list(names)));
}

Result<DevServerConfig> parse_config(std::string_view text) {
  STEEPLE_TRY(document, runtime::with_context(hcl::parse(text), "unable to decode configuration"));
  hcl::ReadNotes notes;
  STEEPLE_TRY(root, hcl::ObjectReader::open("root", document->root, &notes));
  DevServerConfig config;
  STEEPLE_TRY(server, read_whole(root, "server", config, read_server));
  STEEPLE_TRY(development, read_whole(root, "development", config, read_development));
  static_cast<void>(development);
  STEEPLE_TRY(telemetry, read_whole(root, "telemetry", config, read_telemetry));
  static_cast<void>(telemetry);
  std::optional<hcl::View> plugins = root.read_raw("plugins");
  STEEPLE_CHECK(refuse_unknown_keys(root, "the configuration"));
  if (!server) return invalid("server section must be configured");
  if (!plugins) return invalid("plugins section must be configured");
  STEEPLE_CHECK(read_plugins(document, *plugins, config));
  return config;
}

Result<DevServerConfig> load_config(const std::string& path, bool expand_env, const agent::Environment& environment) {
  STEEPLE_TRY(text, runtime::with_context(runtime::read_file(path, kConfigBytesMax),
                                          fmt::format("unable to read configuration at {}", runtime::go_quote(path))));
  if (expand_env) text = agent::expand_env(text, environment);
  return runtime::with_context(parse_config(text), runtime::go_quote(path));
}

}  // namespace steeple::devserver
