// The keys of the workload attestor `k8s`: defaults, the environment, and each complaint.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "agent/config/hcl/parser.h"
#include "agent/config/plugin_config.h"

using namespace steeple::agent;
using namespace steeple;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

namespace {

runtime::Result<K8sAttestorKeys> keys_of(const std::string& data) {
  auto document = hcl::parse("plugins { WorkloadAttestor \"k8s\" { plugin_data {\n" + data + "\n} } }");
  REQUIRE(document);
  hcl::ReadNotes notes;
  auto root = hcl::ObjectReader::open("root", hcl::View((*document)->root), &notes);
  REQUIRE(root);
  auto plugins = read_plugins(*document, *root->read_raw("plugins"), &notes);
  REQUIRE(plugins);
  return k8s_attestor_keys(plugins->all().at(0), runtime::Logger());
}

std::string complaint(const std::string& data) {
  auto keys = keys_of(data);
  REQUIRE_FALSE(keys);
  const std::string prefix = "failed to configure plugin \"k8s\": rpc error: code = InvalidArgument desc = ";
  REQUIRE(keys.error().message().starts_with(prefix));
  return keys.error().message().substr(prefix.size());
}

}  // namespace

TEST_CASE("Keys of k8s: the defaults") {
  unsetenv("MY_NODE_NAME");
  auto keys = keys_of("");
  REQUIRE(keys);
  CHECK(keys->kubelet_secure_port == 10250);
  CHECK(keys->kubelet_read_only_port == 0);
  CHECK(keys->max_poll_attempts == 60);
  CHECK(keys->poll_retry_interval == 500ms);
  CHECK(keys->reload_interval == 60s);
  CHECK(keys->pod_index_max_age == 5s);
  CHECK(keys->kubelet_ca_path == "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt");
  CHECK(keys->token_path == "/var/run/secrets/kubernetes.io/serviceaccount/token");
  CHECK(keys->node_name.empty());
  CHECK_FALSE(keys->skip_kubelet_verification);
  CHECK(keys->use_new_container_locator);
}

TEST_CASE("Keys of k8s: each one arrives") {
  auto keys = keys_of(R"(
    kubelet_read_only_port = "10255"
    max_poll_attempts = 7
    poll_retry_interval = "300ms"
    reload_interval = "5s"
    pod_index_max_age = "2s"
    kubelet_ca_path = "/ca"
    token_path = "/t"
    certificate_path = "/c"
    private_key_path = "/k"
    node_name = "n"
    skip_kubelet_verification = true
    use_anonymous_authentication = true
    disable_container_selectors = true
    use_new_container_locator = false
    verbose_container_locator_logs = true
    enable_namespace_labels = true
    experimental { api_server { cache { enabled = true } } })");
  REQUIRE(keys);
  CHECK(keys->kubelet_read_only_port == 10255);
  CHECK(keys->max_poll_attempts == 7);
  CHECK(keys->poll_retry_interval == 300ms);
  CHECK(keys->reload_interval == 5s);
  CHECK(keys->pod_index_max_age == 2s);
  CHECK(keys->kubelet_ca_path == "/ca");
  CHECK(keys->token_path == "/t");
  CHECK(keys->certificate_path == "/c");
  CHECK(keys->private_key_path == "/k");
  CHECK(keys->node_name == "n");
  CHECK(keys->skip_kubelet_verification);
  CHECK(keys->use_anonymous_authentication);
  CHECK(keys->disable_container_selectors);
  CHECK_FALSE(keys->use_new_container_locator);
  CHECK(keys->verbose_container_locator_logs);
  CHECK(keys->enable_namespace_labels);
  CHECK(keys->api_server_cache);
  for (const std::string nothing :
       {"experimental {}", "experimental { api_server {} }", "experimental { api_server { cache {} } }"}) {
    CHECK_FALSE(keys_of(nothing).value().api_server_cache);
  }
}

TEST_CASE("Keys of k8s: the node's name by environment") {
  setenv("MY_NODE_NAME", "by-default", 1);
  setenv("STEEPLE_TEST_NODE", "by-env", 1);
  CHECK(keys_of("")->node_name == "by-default");
  CHECK(keys_of("node_name_env = \"STEEPLE_TEST_NODE\"")->node_name == "by-env");
  CHECK(keys_of("node_name_env = \"STEEPLE_TEST_ABSENT\"")->node_name.empty());
  CHECK(keys_of("node_name_env = \"STEEPLE_TEST_NODE\"\nnode_name = \"by-key\"")->node_name == "by-key");
  unsetenv("MY_NODE_NAME");
  unsetenv("STEEPLE_TEST_NODE");
}

TEST_CASE("Keys of k8s: the experimental block's complaints in SPIRE's words and order") {
  const std::string good = "brokers = [{ id = \"spiffe://td/b\" }]\n";
  const auto broker = [](const std::string& text) { return complaint("experimental { broker {\n" + text + "\n} }"); };
  const std::string at = "experimental.broker.";
  const std::pair<std::string, std::string> cases[] = {
      {"experimental { b = 1\na = 2\napi_server { c = 1 } }", "unknown configurations detected: a,b"},
      {"experimental { api_server { c = 1\ncache { d = 1 } } }", "unknown configurations detected: c"},
      {"experimental { api_server { cache { d = 1 } }\nbroker { e = 1 } }", "unknown configurations detected: d"},
      {"experimental { broker { e = 1 } }", "unknown configurations detected: e"},
      {"x = 1\nexperimental { a = 2 }", "unknown configurations detected: x"},
      {"experimental { a = 2 }\ndisable_kubelet_client = true\ntoken_path = \"t\"",
       "unknown configurations detected: a"},
      {"experimental { broker { access_policy = \"enforced\"\n" + good + "} }\ndisable_kubelet_client = true",
       at + "brokers[spiffe://td/b].pod_reference_scope must be \"cluster\" when disable_kubelet_client is true"},
      {"experimental { broker { access_policy = \"enforced\"\n" + good + "} }\npoll_retry_interval = \"x\"",
       "unable to parse poll retry interval: time: invalid duration \"x\""},
  };
  for (const auto& [data, text] : cases) {
    INFO(data);
    CHECK(complaint(data) == text);
  }
  CHECK(broker("") == at + "access_policy: must be specified as one of [permissive, enforced]");
  CHECK(broker("access_policy = \"x\"") ==
        at + "access_policy: unsupported value \"x\"; must be one of [permissive, enforced]");
  const std::string policy = "access_policy = \"permissive\"\n";
  CHECK(broker(policy) == at + "brokers: at least one broker is required");
  CHECK(broker(policy + "brokers = [{ id = \"spiffe://td/b\" }, {}]") == at + "brokers[1].id: must be specified");
  CHECK(broker(policy + "brokers = [{ id = \"spiffe://td/b\" }, { id = \"spiffe://td/b\" }]") ==
        at + "brokers[spiffe://td/b].id: duplicate broker id");
  CHECK(broker(policy + "brokers = [{ id = \"td\" }]") == at + "brokers[td].id: scheme is missing or invalid");
  CHECK(broker(policy + "brokers = [{ id = \"spiffe://td/b\" z = 1 }]") == "unknown configurations detected: z");
  CHECK(
      broker(policy + "brokers = [{ id = \"spiffe://td/b\" pod_reference_scope = \"x\" }]") ==
      at + "brokers[spiffe://td/b].pod_reference_scope: unsupported value \"x\"; must be one of [agent_node, cluster]");
  CHECK(broker(policy + good) == "experimental.broker is not available in this version of Steeple");
}

TEST_CASE("Keys of k8s: without a kubelet none of its keys") {
  const std::string keys[] = {"kubelet_read_only_port = 1", "kubelet_secure_port = 1",
                              "kubelet_ca_path = \"c\"",    "skip_kubelet_verification = true",
                              "token_path = \"t\"",         "certificate_path = \"c\"",
                              "private_key_path = \"k\"",   "use_anonymous_authentication = true",
                              "node_name_env = \"e\"",      "node_name = \"n\"",
                              "reload_interval = \"1s\""};
  // SPIRE reports the first of its own order, whatever the file's.
  std::string after;
  for (auto key = std::rbegin(keys); key != std::rend(keys); ++key) {
    after += *key + "\n";
    CHECK(complaint(after + "disable_kubelet_client = true") ==
          "disable_kubelet_client cannot be used with " + key->substr(0, key->find(' ')));
  }
  for (const std::string none : {"kubelet_secure_port = 0", "kubelet_read_only_port = -1", "token_path = \"\"",
                                 "skip_kubelet_verification = false"}) {
    CHECK(keys_of(none + "\ndisable_kubelet_client = true"));
  }
  CHECK(complaint("disable_kubelet_client = true\nreload_interval = \"x\"") ==
        "disable_kubelet_client cannot be used with reload_interval");
}

TEST_CASE("Keys of k8s: complaints in SPIRE's words") {
  CHECK(complaint("b = 1\na = 2") == "unknown configurations detected: a,b");
  CHECK(complaint("kubelet_secure_port = 1\nkubelet_read_only_port = 2") ==
        "cannot use both the read-only and secure port");
  CHECK(complaint("poll_retry_interval = \"x\"") ==
        "unable to parse poll retry interval: time: invalid duration \"x\"");
  CHECK(complaint("reload_interval = \"1\"") ==
        "unable to parse reload interval: time: missing unit in duration \"1\"");
  CHECK(complaint("disable_kubelet_client = true\ntoken_path = \"/t\"") ==
        "disable_kubelet_client cannot be used with token_path");
  CHECK(complaint("max_poll_attempts = \"many\"").starts_with("unable to decode configuration: "));
  CHECK(complaint("kubelet_secure_port = 70000") == "the kubelet's port is above 65535");
}

TEST_CASE("Keys of sigstore: each one arrives, with the defaults of those that are absent") {
  CHECK_FALSE(keys_of("")->sigstore);
  auto keys = keys_of("sigstore {}");
  REQUIRE(keys);
  REQUIRE(keys->sigstore);
  CHECK(keys->sigstore->rekor_url == "https://rekor.sigstore.dev");
  CHECK_FALSE(keys->sigstore->ignore_sct);
  keys = keys_of(R"(sigstore {
    allowed_identities {
      "https://a" = ["x", "y"]
      "https://b*" = ["z"]
      "https://a" = ["w"]
    }
    skipped_images = ["i@sha256:1", "j"]
    rekor_url = "http://127.0.0.1:1"
    ignore_sct = true
    ignore_tlog = true
    ignore_attestations = true
    registry_credentials = {
      "ghcr.io" = { username = "u", password = "p" }
    }
    nobody_knows_this = 1
  })");
  REQUIRE(keys);
  const attestation::SigstoreConfig& config = *keys->sigstore;
  CHECK(config.allowed_identities.at("https://a") == std::vector<std::string>{"x", "y", "w"});
  CHECK(config.allowed_identities.at("https://b*") == std::vector<std::string>{"z"});
  CHECK(config.skipped_images == std::set<std::string>{"i@sha256:1", "j"});
  CHECK(config.rekor_url == "http://127.0.0.1:1");
  CHECK(config.ignore_sct);
  CHECK(config.ignore_tlog);
  CHECK(config.ignore_attestations);
  CHECK(config.registry_credentials.at("ghcr.io").username == "u");
  CHECK(runtime::as_text(config.registry_credentials.at("ghcr.io").password.view()) == "p");
}

TEST_CASE("Keys of sigstore: complaints") {
  CHECK(complaint("sigstore { allowed_identities = 1 }").starts_with("unable to decode configuration: "));
  CHECK(complaint("sigstore { allowed_identities { a = 1 } }").starts_with("unable to decode configuration: "));
  CHECK(complaint("sigstore { registry_credentials { a = 1 } }").starts_with("unable to decode configuration: "));
  CHECK(complaint("sigstore { skipped_images = \"x\" }").starts_with("unable to decode configuration: "));
  CHECK(complaint("sigstore = 1").starts_with("unable to decode configuration: "));
  CHECK(complaint("sigstore { rekor_url = \"rekor\" }") == "sigstore: rekor_url is neither an http nor an https URL");
  CHECK(complaint("sigstore { rekor_url = \":\" }") ==
        "error initializing sigstore verifier: failed to get rekor client: parse \":\": missing protocol scheme");
  CHECK(keys_of("sigstore { rekor_url = \"rekor\"\nignore_tlog = true }"));
}
