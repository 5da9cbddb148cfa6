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
  CHECK(contains(refusal(server("ca_subject { country = [\"US\"] }") + kPlugins), "\"ca_subject\""));
  CHECK(contains(refusal(server("federation {}") + kPlugins), "\"federation\""));
  CHECK(contains(refusal(server() + "telemetry {}\n" + kPlugins), "\"telemetry\""));
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
  CHECK(contains(refusal(server() + "plugins { KeyManager \"memory\" {} }"), "exactly one DataStore"));
  CHECK(contains(refusal(server()), "plugins section must be configured"));
  CHECK(contains(refusal(kPlugins), "server section must be configured"));
  CHECK(contains(refusal("server {"), "unable to decode configuration"));
}
