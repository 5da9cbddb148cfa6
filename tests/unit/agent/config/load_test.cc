// What a good file becomes, and what this version refuses.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>

#include "agent/config/go_url.h"
#include "agent/config/load.h"
#include "agent/config/paths.h"

using namespace steeple;
using namespace steeple::agent;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view kPlugins =
    "plugins { NodeAttestor \"x509pop\" { plugin_data { private_key_path = \"/k\" certificate_path = \"/c\" } }\n"
    " KeyManager \"disk\" { plugin_data { directory = \"/d\" } } WorkloadAttestor \"unix\" { plugin_data {\n"
    " discover_workload_path = true workload_size_limit = \"0x10\" } } }\n";
constexpr std::string_view kBase =
    "server_address = \"s\" server_port = 8081 trust_domain = \"example.org\" insecure_bootstrap = true ";

struct Loaded {
  runtime::Result<AgentConfig> config;
  std::string log;
};

Loaded load(const std::string& agent, std::string_view rest = "", std::string io_backend = "",
            const ConfigFlags& given = {}) {
  char path[] = "/tmp/steeple-load-XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(fd >= 0);
  close(fd);
  std::ofstream(path) << "agent { " << agent << " }\n" << kPlugins << rest;
  ConfigFlags flags = given;
  flags.config_path = path;
  std::string log;
  LoadContext context;
  context.environment = [&](const std::string& name) -> std::optional<std::string> {
    return name == "STEEPLE_IO_BACKEND" && !io_backend.empty() ? std::optional(io_backend) : std::nullopt;
  };
  context.sink_argument = &log;
  context.make_sink = [](void* out) { return runtime::make_string_sink(static_cast<std::string*>(out)); };
  runtime::Result<AgentConfig> config = load_config(flags, context);
  if (config) config->log = runtime::Logger();  // its string does not live on
  std::remove(path);
  return {std::move(config), std::move(log)};
}

std::string refusal(const std::string& agent, std::string_view rest = "") {
  const Loaded loaded = load(std::string(kBase) + agent, rest);
  return loaded.config ? std::string() : loaded.config.error().message();
}

}  // namespace

TEST_CASE("Defaults are SPIRE's") {
  const Loaded loaded = load(std::string(kBase));
  REQUIRE(loaded.config);
  const AgentConfig& config = *loaded.config;
  CHECK(loaded.log.empty());
  CHECK(config.data_dir == ".");
  CHECK(config.socket_path == "/tmp/spire-agent/public/api.sock");
  CHECK(config.rebootstrap_mode == RebootstrapMode::kNever);
  CHECK(config.rebootstrap_delay == 10min);
  CHECK(config.bootstrap.insecure);
  CHECK(config.bootstrap.format == TrustBundleFormat::kPem);
  CHECK(config.workload_key_type == WorkloadKeyType::kEcP256);
  CHECK(config.use_sync_authorized_entries);
  CHECK(config.io_backend == IoBackend::kAuto);
  CHECK(config.sync_interval == 0ns);
  CHECK(config.join_token.empty());
  CHECK_FALSE(config.logs_to_file);
}

TEST_CASE("Values arrive where they are used") {
  const Loaded loaded = load(
      "server_address = \"spire\" server_port = \"8_443\" trust_domain = \"spiffe://example.org/x\" data_dir = "
      "\"/data\""
      " trust_bundle_url = \"http://b/x\" trust_bundle_unix_socket = \"/s\" trust_bundle_format = \"spiffe\""
      " socket_path = \"/run/../run/a/./api.sock\" join_token = \"tok\" log_selectors = [\"k8s:ns\"]"
      " workload_x509_svid_key_type = \"RSA-2048\" x509_svid_cache_max_size = 7 availability_target = \"48h\""
      " rebootstrap_mode = \"always\" rebootstrap_delay = \"1m30s\" log_source_location = true disable_sds_api = true"
      " io_backend = \"epoll\" experimental { sync_interval = \"300ms\" use_sync_authorized_entries = false }");
  REQUIRE(loaded.config);
  const AgentConfig& config = *loaded.config;
  CHECK(config.server_address == "spire");
  CHECK(config.server_port == 8443);
  CHECK(config.trust_domain.name() == "example.org");
  CHECK(config.data_dir == "/data");
  CHECK(config.bootstrap.url == "http://b/x");
  CHECK(config.bootstrap.unix_socket == "/s");
  CHECK(config.bootstrap.format == TrustBundleFormat::kSpiffe);
  CHECK(config.socket_path == "/run/a/api.sock");
  CHECK(runtime::as_text(config.join_token.view()) == "tok");
  CHECK(config.log_selectors == std::vector<std::string>{"k8s:ns"});
  CHECK(config.workload_key_type == WorkloadKeyType::kRsa2048);
  CHECK(config.x509_svid_cache_max_size == 7);
  CHECK(config.availability_target == 48h);
  CHECK(config.rebootstrap_mode == RebootstrapMode::kAlways);
  CHECK(config.rebootstrap_delay == 90s);
  CHECK(config.disable_sds_api);
  CHECK(config.io_backend == IoBackend::kEpoll);
  CHECK(config.sync_interval == 300ms);
  CHECK_FALSE(config.use_sync_authorized_entries);
}

TEST_CASE("Plugin keys arrive after the file is gone") {
  const Loaded loaded = load(std::string(kBase));
  REQUIRE(loaded.config);
  const PluginConfigs& plugins = loaded.config->plugins;
  CHECK(check_plugins(plugins, runtime::Logger()));
  REQUIRE(plugins.enabled_of("NodeAttestor").size() == 1);
  const auto x509pop = x509pop_keys(*plugins.enabled_of("NodeAttestor")[0], runtime::Logger());
  REQUIRE(x509pop);
  CHECK(x509pop->private_key_path == "/k");
  CHECK(x509pop->certificate_path == "/c");
  CHECK(x509pop->intermediates_path.empty());
  CHECK(disk_key_manager_keys(*plugins.enabled_of("KeyManager")[0], runtime::Logger())->directory == "/d");
  const auto unix_keys = unix_attestor_keys(*plugins.enabled_of("WorkloadAttestor")[0], runtime::Logger());
  REQUIRE(unix_keys);
  CHECK(unix_keys->discover_workload_path);
  CHECK(unix_keys->workload_size_limit == 16);
}

TEST_CASE("Flags win over the file, and the environment over both for the engine") {
  ConfigFlags flags;
  flags.section.server_address = "by-flag";
  const Loaded loaded = load(std::string(kBase) + "io_backend = \"epoll\"", "", "io_uring", flags);
  REQUIRE(loaded.config);
  CHECK(loaded.config->server_address == "by-flag");
  CHECK(loaded.config->server_port == 8081);
  CHECK(loaded.config->io_backend == IoBackend::kIoUring);
  CHECK(load(std::string(kBase), "", "uring").config.error().message() ==
        "STEEPLE_IO_BACKEND must be \"auto\", \"io_uring\" or \"epoll\"; got \"uring\"");
  CHECK(refusal("io_backend = \"kqueue\"") == "io_backend must be \"auto\", \"io_uring\" or \"epoll\"; got \"kqueue\"");
}

TEST_CASE("Both public APIs off means no socket") {
  const Loaded loaded = load(std::string(kBase) + "disable_workload_api = true disable_sds_api = true");
  REQUIRE(loaded.config);
  CHECK(loaded.config->socket_path.empty());
}

TEST_CASE("The sds section's keys have their defaults") {
  const Loaded plain = load(std::string(kBase));
  REQUIRE(plain.config);
  CHECK(plain.config->sds.default_svid_name == "default");
  CHECK(plain.config->sds.default_bundle_name == "ROOTCA");
  CHECK(plain.config->sds.default_all_bundles_name == "ALL");
  CHECK_FALSE(plain.config->sds.disable_spiffe_cert_validation);
  const Loaded named =
      load(std::string(kBase) + "sds { default_svid_name = \"mine\" disable_spiffe_cert_validation = true }");
  REQUIRE(named.config);
  CHECK(named.config->sds.default_svid_name == "mine");
  CHECK(named.config->sds.disable_spiffe_cert_validation);
}

TEST_CASE("The health listener has SPIRE's defaults") {
  const Loaded plain = load(std::string(kBase), "health_checks { listener_enabled = true }");
  REQUIRE(plain.config);
  CHECK(plain.config->health_checks.listener_enabled);
  CHECK(plain.config->health_checks.bind_address == "localhost");
  CHECK(plain.config->health_checks.bind_port == "80");
  CHECK(plain.config->health_checks.live_path == "/live");
  CHECK(plain.config->health_checks.ready_path == "/ready");
  const Loaded set = load(std::string(kBase), "health_checks { bind_port = 8080 ready_path = \"/r\" }");
  REQUIRE(set.config);
  CHECK(set.config->health_checks.bind_port == "8080");
  CHECK(set.config->health_checks.ready_path == "/r");
}

TEST_CASE("What is set for JWT-SVIDs, verifiers and rate limits arrives") {
  const Loaded plain = load(std::string(kBase));
  REQUIRE(plain.config);
  CHECK_FALSE(plain.config->allow_unauthenticated_verifiers);
  CHECK(plain.config->allowed_foreign_jwt_claims.empty());
  CHECK(plain.config->jwt_svid_cache_max_size == 0);
  CHECK(plain.config->jwt_svid_cache_hit_timeout == std::chrono::seconds(30));
  CHECK(plain.config->rate_limits.fetch_jwt_svid == 0);
  const Loaded set = load(std::string(kBase) +
                          "allow_unauthenticated_verifiers = true allowed_foreign_jwt_claims = [\"iat\", \"iss\"]"
                          " jwt_svid_cache_max_size = 7 experimental { jwt_svid_cache_hit_timeout = \"6s\""
                          " ratelimit { fetch_x509_svid = 1 fetch_jwt_svid = 2 fetch_x509_bundles = 3"
                          " fetch_jwt_bundles = 4 stream_secrets = 5 fetch_secrets = 6 } }");
  REQUIRE(set.config);
  CHECK(set.config->allow_unauthenticated_verifiers);
  CHECK(set.config->allowed_foreign_jwt_claims == std::vector<std::string>{"iat", "iss"});
  CHECK(set.config->jwt_svid_cache_max_size == 7);
  CHECK(set.config->jwt_svid_cache_hit_timeout == std::chrono::seconds(6));
  const RateLimitSettings& limits = set.config->rate_limits;
  CHECK(std::vector{limits.fetch_x509_svid, limits.fetch_jwt_svid, limits.fetch_x509_bundles, limits.fetch_jwt_bundles,
                    limits.stream_secrets, limits.fetch_secrets} == std::vector<std::int64_t>{1, 2, 3, 4, 5, 6});
}

TEST_CASE("What is not there yet is refused by name") {
  const std::string end = " is not available in this version of Steeple";
  CHECK(refusal("admin_socket_path = \"/x/a.sock\"").empty());
  CHECK(refusal("authorized_delegates = [\"spiffe://example.org/x\"]").empty());
  CHECK(refusal("disable_sds_api = true").empty());
  CHECK(refusal("", "telemetry { MetricPrefix = \"x\" }").empty());
  CHECK(refusal("", "telemetry { Prometheus { port = 1 } Statsd = [{ address = \"a:1\" }] }").empty());
  CHECK(refusal("", "telemetry { Prometheus { port = 1 tls { use_spire_svid = true } } }").empty());
  CHECK(refusal("", "telemetry { DogStatsd = [{ address = \"unix:///s\" }] InMem {} }").empty());
  CHECK(refusal("", "telemetry { M3 = [{ address = \"a:1\" env = \"e\" }] }") == "telemetry.M3" + end);
  CHECK(refusal("", "health_checks { bind_port = 1 }").empty());
}

TEST_CASE("Keys without effect are warned about") {
  CHECK(load(std::string(kBase) + "profiling_enabled = true").log.find("Profiling is specific to Go") !=
        std::string::npos);
  CHECK(load(std::string(kBase) + "retry_bootstrap = false").log.find("key=retry_bootstrap") != std::string::npos);
}

TEST_CASE("A join token file is trimmed") {
  char path[] = "/tmp/steeple-token-XXXXXX";
  const int fd = mkstemp(path);
  REQUIRE(write(fd, " tok en\r\n\n", 10) == 10);
  close(fd);
  const Loaded loaded = load(std::string(kBase) + "join_token_file = \"" + path + "\"");
  REQUIRE(loaded.config);
  CHECK(runtime::as_text(loaded.config->join_token.view()) == "tok en");
  std::remove(path);
}

TEST_CASE("Paths are cleaned as Go cleans them") {
  const std::pair<const char*, const char*> cases[] = {
      {"", "."},       {"/", "/"},        {"a//b/", "a/b"},    {"./a", "a"},   {"../a", "../a"},
      {"/../a", "/a"}, {"a/../..", ".."}, {"a/b/../c", "a/c"}, {"/a/..", "/"}, {"./rel/", "rel"}};
  for (const auto& [path, clean] : cases) {
    INFO(path);
    CHECK(clean_path(path) == clean);
  }
  CHECK(directory_of("/a/b") == "/a");
  CHECK(directory_of("/a") == "/");
  CHECK(directory_of("a") == ".");
  CHECK(join_path("", "x") == "x");
  CHECK(join_path("/a/", "../x") == "/x");
}

TEST_CASE("URLs are cut as Go cuts them") {
  const auto url = parse_go_url("HTTP://u@h.x:80/p%20q?a=1&b%2Dc=2#f");
  REQUIRE(url);
  CHECK(url->scheme == "http");
  CHECK(url->has_user);
  CHECK(url->host_name() == "h.x");
  CHECK(url->port() == "80");
  CHECK(url->path == "/p%20q");
  CHECK(url->query_names() == std::vector<std::string>{"a", "b-c"});
  CHECK(url->fragment == "f");
  CHECK(parse_go_url("unix:a")->opaque == "a");
  CHECK(parse_go_url("http://[::1]:5/")->host_name() == "::1");
  CHECK(parse_go_url(":x").error().message() == "parse \":x\": missing protocol scheme");
  CHECK(parse_go_url("http://h:x/").error().message() == "parse \"http://h:x/\": invalid port \":x\" after host");
  CHECK(parse_go_url("http://[::1/").error().message() == "parse \"http://[::1/\": missing ']' in host");
  CHECK(parse_go_url("http://a b/").error().message() == "parse \"http://a b/\": invalid character \" \" in host name");
  CHECK(parse_go_url("a\x01").error().message() == "parse \"a\\x01\": net/url: invalid control character in URL");
  CHECK(parse_go_url("http://h/%2").error().message() == "parse \"http://h/%2\": invalid URL escape \"%2\"");
  CHECK_FALSE(check_host_port("x"));
  CHECK(check_host_port("[::1]:80"));
  CHECK(check_host_port("::1:80").error().message() == "address ::1:80: too many colons in address");
}

TEST_CASE("The agent file of the Kubernetes set-up is taken as it stands") {
  ConfigFlags flags;
  flags.config_path = std::string(STEEPLE_TEST_DATA) + "/k8s/kind-agent.conf";
  LoadContext context;
  context.environment = [](const std::string&) { return std::optional<std::string>(); };
  std::string log;
  context.sink_argument = &log;
  context.make_sink = [](void* out) { return runtime::make_string_sink(static_cast<std::string*>(out)); };
  runtime::Result<AgentConfig> config = load_config(flags, context);
  INFO((config ? std::string() : config.error().message()));
  REQUIRE(config);
  CHECK(check_plugins(config->plugins, runtime::Logger()));
  CHECK(k8s_token_keys(*config->plugins.enabled_of("NodeAttestor")[0], runtime::Logger())->cluster == "kindcluster");
  CHECK(k8s_attestor_keys(*config->plugins.enabled_of("WorkloadAttestor")[0], runtime::Logger())
            ->skip_kubelet_verification);
}
