#include <catch2/catch.hpp>

#include "deploy/devserver/config/config.h"

using namespace steeple;
using namespace steeple::devserver;

namespace {

const std::string kPlugins = R"(plugins {
  DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "/d/db" } }
  KeyManager "disk" { plugin_data { keys_path = "/d/keys.json" } }
  NodeAttestor "join_token" { plugin_data {} }
})";

std::string server(const std::string& more = "") {
  return "server { trust_domain = \"example.org\" data_dir = \"/d\" " + more + " }\n";
}

std::string refusal(const std::string& text) {
  auto config = parse_config(text);
  return config ? "" : config.error().message();
}

bool contains(const std::string& text, const std::string& part) {
  INFO(text);
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("server.conf: defaults are SPIRE's") {
  auto config = parse_config(server() + kPlugins);
  INFO((config ? std::string() : config.error().message()));
  REQUIRE(config);
  CHECK(config->bind_address == "0.0.0.0");
  CHECK(config->bind_port == 8081);
  CHECK(config->socket_path == "/tmp/spire-server/private/api.sock");
  CHECK(config->ca_ttl == std::chrono::hours(24));
  CHECK(config->settings.x509_svid_ttl == std::chrono::hours(1));
  CHECK(config->settings.agent_ttl == std::chrono::hours(1));
  CHECK(config->settings.jwt_svid_ttl == std::chrono::minutes(5));
  CHECK(config->settings.sync_page_size == 500);
  CHECK(config->connection_age_max == std::chrono::minutes(3));
  CHECK(config->database_path == "/d/db");
  CHECK(config->keys_path == "/d/keys.json");
  CHECK_FALSE(config->x509pop);
}

TEST_CASE("server.conf: every key that is known works") {
  auto config = parse_config(server(R"(bind_address = "127.0.0.1" bind_port = "9000" socket_path = "/s" ca_ttl = "2h"
      default_x509_svid_ttl = "60s" agent_ttl = "90s" default_jwt_svid_ttl = "30s" log_level = "debug" log_format = "json"
      log_file = "/l")") + R"(
    plugins {
      DataStore "sql" { plugin_data { database_type = "sqlite3" connection_string = "db" } }
      KeyManager "memory" { plugin_data {} }
      NodeAttestor "x509pop" { plugin_data { ca_bundle_paths = ["a.pem", "b.pem"] max_intermediates = 2 } }
    }
    telemetry { Prometheus { port = 9988 } }
    development {
      sync_page_size = 2
      max_connection_age = "5s"
      without_sync_authorized_entries = true
      agents_must_reattest = true
      fail_signing_of = ["spiffe://example.org/broken"]
    })");
  INFO((config ? std::string() : config.error().message()));
  REQUIRE(config);
  CHECK(config->bind_address == "127.0.0.1");
  CHECK(config->bind_port == 9000);
  CHECK(config->ca_ttl == std::chrono::hours(2));
  CHECK(config->settings.x509_svid_ttl == std::chrono::seconds(60));
  CHECK(config->settings.agent_ttl == std::chrono::seconds(90));
  CHECK(config->settings.jwt_svid_ttl == std::chrono::seconds(30));
  CHECK(config->log_level == runtime::LogLevel::kDebug);
  CHECK(config->log_format == runtime::LogFormat::kJson);
  CHECK(config->log_file == "/l");
  CHECK(config->keys_path.empty());
  REQUIRE(config->prometheus);
  CHECK(config->prometheus->host == "localhost");
  CHECK(config->prometheus->port == 9988);
  REQUIRE(config->x509pop);
  CHECK(config->x509pop->ca_bundle_paths == std::vector<std::string>{"a.pem", "b.pem"});
  CHECK(config->x509pop->intermediates_max == 2);
  CHECK(config->settings.sync_page_size == 2);
  CHECK(config->connection_age_max == std::chrono::seconds(5));
  CHECK(config->settings.faults.without_sync_authorized_entries);
  CHECK(config->settings.faults.agents_must_reattest);
  CHECK(config->settings.faults.unsignable.contains("spiffe://example.org/broken"));
}

TEST_CASE("server.conf: what is not known is refused by name") {
  CHECK(contains(refusal(server("audit_log_enabled = true") + kPlugins), "\"audit_log_enabled\""));
  CHECK(contains(refusal(server("federation { nonsense = 1 }") + kPlugins), "\"nonsense\""));
  CHECK(contains(refusal(server() + "telemetry { M3 {} }\n" + kPlugins), "\"M3\""));
  CHECK(contains(refusal(server() + "telemetry { Prometheus { port = 1 tls {} } }\n" + kPlugins), "\"tls\""));
  CHECK(contains(refusal(server() + "health_checks {}\n" + kPlugins), "\"health_checks\""));
  CHECK(contains(refusal(server() + kPlugins + "\ndevelopment { nonsense = 1 }"), "\"nonsense\""));
  CHECK(contains(refusal(server() + "plugins { NodeAttestor \"aws_iid\" {} }"), "NodeAttestor \"aws_iid\""));
  CHECK(contains(refusal(server() + "plugins { UpstreamAuthority \"disk\" {} }"), "UpstreamAuthority \"disk\""));
  CHECK(contains(refusal(server() + "plugins { KeyManager \"disk\" { plugin_cmd = \"/x\" } }"), "plugin_cmd"));
  CHECK(contains(refusal(server() + "plugins { DataStore \"sql\" { plugin_data { database_type = \"postgres\" } } }"),
                 "\"postgres\""));
  CHECK(contains(refusal(server() + "plugins { DataStore \"sql\" { plugin_data { database_type = \"sqlite3\" "
                                    "connection_string = \"d\" ro_connection_string = \"x\" } } }"),
                 "\"ro_connection_string\""));
  CHECK(contains(refusal(server() + "plugins { NodeAttestor \"x509pop\" { plugin_data { ca_bundle_path = \"a\" mode = "
                                    "\"spiffe\" } } }"),
                 "\"spiffe\""));
}

TEST_CASE("server.conf: wrong values are refused") {
  CHECK(contains(refusal("server { data_dir = \"d\" }\n" + kPlugins), "trust_domain must be configured"));
  CHECK(contains(refusal("server { trust_domain = \"example.org\" }\n" + kPlugins), "data_dir must be configured"));
  CHECK(contains(refusal(server("bind_port = 70000") + kPlugins), "bind_port 70000"));
  CHECK(contains(refusal(server("ca_ttl = \"soon\"") + kPlugins), "could not parse ca_ttl"));
  CHECK(contains(refusal(server("ca_ttl = \"0s\"") + kPlugins), "ca_ttl must be at least 1s"));
  CHECK(contains(refusal(server("log_level = \"loud\"") + kPlugins), "log_level"));
  CHECK(contains(refusal(server("trust_domain = \"UPPER\"") + kPlugins), "trust_domain"));
  CHECK(contains(refusal(server() + kPlugins + "development { sync_page_size = 0 }"), "sync_page_size"));
  CHECK(contains(refusal(server() + kPlugins + "telemetry { Prometheus { port = 0 } }"), "port 0"));
  CHECK(contains(refusal(server() + "plugins { KeyManager \"memory\" {} }"), "exactly one DataStore"));
  CHECK(contains(refusal(server()), "plugins section must be configured"));
  CHECK(contains(refusal(kPlugins), "server section must be configured"));
  CHECK(contains(refusal("server {"), "unable to decode configuration"));
}

TEST_CASE("server.conf: the server file of the Kubernetes set-up is taken as it stands") {
  auto config =
      load_config(std::string(STEEPLE_TEST_DATA) + "/k8s/kind-server.conf", false, agent::process_environment());
  INFO((config ? std::string() : config.error().message()));
  REQUIRE(config);
  REQUIRE(config->k8s_sat);
  REQUIRE(config->k8s_sat->contains("kindcluster"));
  const K8sClusterConfig& cluster = config->k8s_sat->at("kindcluster");
  CHECK(cluster.kubeconfig_path == "/run/spire/server/kubeconfig");
  CHECK(cluster.allowed_accounts == std::set<std::string, std::less<>>{"spire:spire-agent"});
  CHECK_FALSE(config->k8s_psat);
  REQUIRE(config->k8s_bundles.size() == 1);
  CHECK(config->k8s_bundles[0].name_space == "spire");
  CHECK(config->k8s_bundles[0].config_map == "spire-bundle");
  CHECK(config->k8s_bundles[0].config_map_key == "bundle.crt");
  CHECK(config->k8s_bundles[0].kubeconfig_path == "/run/spire/server/kubeconfig");
}

namespace {

std::string with_plugin(const std::string& type, const std::string& name, const std::string& data) {
  std::string plugins = kPlugins;
  plugins.insert(plugins.rfind('}'), "  " + type + " \"" + name + "\" { plugin_data { " + data + " } }\n");
  return server() + plugins;
}

}  // namespace

TEST_CASE("server.conf: clusters of k8s_psat, with every key") {
  auto config = parse_config(with_plugin("NodeAttestor", "k8s_psat", R"(clusters = {
      "a" = { service_account_allow_list = ["n:s"] }
      "b" = { service_account_allow_list = ["n:s", "n:t"] audience = ["x", "y"] kube_config_file = "/k"
              allowed_node_label_keys = ["zone"] allowed_pod_label_keys = ["app"] use_pod_uid_for_agent_id = true }
      "c" = { service_account_allow_list = ["n:s"] audience = [] } })"));
  INFO((config ? std::string() : config.error().message()));
  REQUIRE(config);
  REQUIRE(config->k8s_psat);
  CHECK(config->k8s_psat->size() == 3);
  CHECK(config->k8s_psat->at("a").audiences == std::vector<std::string>{"spire-server"});
  CHECK(config->k8s_psat->at("a").kubeconfig_path.empty());
  CHECK(config->k8s_psat->at("c").audiences.empty());
  const K8sClusterConfig& b = config->k8s_psat->at("b");
  CHECK(b.audiences == std::vector<std::string>{"x", "y"});
  CHECK(b.allowed_node_labels.contains("zone"));
  CHECK(b.allowed_pod_labels.contains("app"));
  CHECK(b.pod_uid_in_id);
  CHECK(parse_config(with_plugin("NodeAttestor", "k8s_psat", ""))->k8s_psat->empty());
}

TEST_CASE("server.conf: clusters that cannot be") {
  auto of = [](const std::string& kind, const std::string& cluster) {
    return refusal(with_plugin("NodeAttestor", kind, "clusters = { \"c\" = { " + cluster + " } }"));
  };
  CHECK(contains(refusal(with_plugin("NodeAttestor", "k8s_sat", "")), "configuration must have at least one cluster"));
  CHECK(contains(of("k8s_sat", "use_token_review_api_validation = true"),
                 "cluster \"c\" configuration must have at least one service account allowed"));
  CHECK(contains(of("k8s_psat", ""), "cluster \"c\" configuration must have at least one service account allowed"));
  CHECK(contains(of("k8s_sat", "service_account_allow_list = [\"a:b\"]"),
                 "cluster \"c\" configuration missing service account key file"));
  CHECK(contains(of("k8s_psat", "service_account_allow_list = [\"a:b\"] nope = 1"), "nope"));
}

TEST_CASE("server.conf: targets of k8sbundle") {
  auto targets = [](const std::string& data) {
    auto config = parse_config(with_plugin("Notifier", "k8sbundle", data));
    INFO((config ? std::string() : config.error().message()));
    REQUIRE(config);
    return config->k8s_bundles;
  };
  CHECK(targets("").size() == 1);  // this cluster
  CHECK(targets("").front().kubeconfig_path.empty());
  const std::string two =
      R"(clusters = [ { kube_config_file_path = "/1" namespace = "n" }, { kube_config_file_path = "/2" } ])";
  auto remote = targets(two);
  REQUIRE(remote.size() == 2);
  CHECK(remote[0].name_space == "n");
  CHECK(remote[1].name_space == "spire");
  auto all = targets(R"(config_map = "m" config_map_key = "k" webhook_label = "w" api_service_label = "a" )" + two);
  REQUIRE(all.size() == 3);
  CHECK(all[0].config_map == "m");
  CHECK(all[0].config_map_key == "k");
  CHECK(all[0].webhook_label == "w");
  CHECK(all[0].api_service_label == "a");
  CHECK(contains(refusal(with_plugin("Notifier", "k8sbundle", "clusters = [ { namespace = \"n\" } ]")),
                 "cluster configuration is missing kube_config_file_path"));
  CHECK(contains(refusal(with_plugin("Notifier", "k8sbundle", "nope = 1")), "nope"));
}

TEST_CASE("server.conf: k8s_sat by keys, unless the API server is to be asked") {
  auto of = [](const std::string& more) {
    auto config = parse_config(with_plugin("NodeAttestor", "k8s_sat",
                                           "clusters = { \"c\" = { service_account_allow_list = [\"a:b\"] "
                                           "service_account_key_file = \"/k\" " +
                                               more + " } }"));
    INFO((config ? std::string() : config.error().message()));
    REQUIRE(config);
    return config->k8s_sat->at("c").key_file;
  };
  CHECK(of("") == "/k");
  CHECK(of("use_token_review_api_validation = true").empty());
}

TEST_CASE("server.conf: the authority's subject") {
  auto subject = [](const std::string& block) {
    auto config = parse_config(server(block) + kPlugins);
    INFO((config ? std::string() : config.error().message()));
    REQUIRE(config);
    return config->ca_subject;
  };
  AuthoritySubject given = subject(R"(ca_subject { country = ["DE", "FR"] organization = ["O"] common_name = "C" })");
  CHECK(given.country == std::vector<std::string>{"DE", "FR"});
  CHECK(given.organization == std::vector<std::string>{"O"});
  CHECK(given.common_name == "C");
  CHECK(subject(R"(ca_subject { common_name = "C" })").country.empty());
  CHECK(subject("ca_subject {}").organization == std::vector<std::string>{"SPIFFE"});
  CHECK(contains(refusal(server("ca_subject { nope = 1 }") + kPlugins), "nope"));
}
