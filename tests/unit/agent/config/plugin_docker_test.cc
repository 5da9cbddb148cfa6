// The keys of the workload attestor `docker`: each one arrives, and each complaint.
#include <catch2/catch.hpp>

#include "agent/config/hcl/parser.h"
#include "agent/config/plugin_config.h"

using namespace steeple::agent;
using namespace steeple;

namespace {

runtime::Result<DockerAttestorKeys> keys_of(const std::string& data) {
  auto document = hcl::parse("plugins { WorkloadAttestor \"docker\" { plugin_data {\n" + data + "\n} } }");
  REQUIRE(document);
  hcl::ReadNotes notes;
  auto root = hcl::ObjectReader::open("root", hcl::View((*document)->root), &notes);
  REQUIRE(root);
  auto plugins = read_plugins(*document, *root->read_raw("plugins"), &notes);
  REQUIRE(plugins);
  return docker_attestor_keys(plugins->all().at(0), runtime::Logger());
}

std::string complaint(const std::string& data) {
  auto keys = keys_of(data);
  REQUIRE_FALSE(keys);
  const std::string prefix = "failed to configure plugin \"docker\": rpc error: code = InvalidArgument desc = ";
  REQUIRE(keys.error().message().starts_with(prefix));
  return keys.error().message().substr(prefix.size());
}

}  // namespace

TEST_CASE("Keys of docker: each one arrives") {
  auto keys = keys_of(R"(
    docker_socket_path = "unix:///d"
    docker_version = "1.44"
    podman_socket_path = "unix:///p"
    podman_socket_path_template = "unix:///%d"
    container_id_cgroup_matchers = ["/docker/<id>", "/my.slice/*/<id>/*"]
    use_new_container_locator = false
    verbose_container_locator_logs = true)");
  REQUIRE(keys);
  CHECK(keys->docker_socket_path == "unix:///d");
  CHECK(keys->docker_version == "1.44");
  CHECK(keys->podman_socket_path == "unix:///p");
  CHECK(keys->podman_socket_path_template == "unix:///%d");
  CHECK(keys->container_id_cgroup_matchers == std::vector<std::string>{"/docker/<id>", "/my.slice/*/<id>/*"});
  CHECK(keys->verbose_container_locator_logs);
  CHECK(keys_of(""));
  CHECK(keys_of("use_new_container_locator = false"));  // without patterns it is the new locator all the same
}

TEST_CASE("Keys of docker: complaints in SPIRE's words") {
  CHECK(complaint("experimental {}\na = 2") == "unknown configurations detected: a,experimental");
  CHECK(complaint("docker_version = [1]").starts_with("unable to decode configuration: "));
  const std::string both = "the new container locator and custom cgroup matchers cannot both be used; ";
  CHECK(complaint("container_id_cgroup_matchers = [\"/docker/<id>\"]").starts_with(both));
  CHECK(complaint("container_id_cgroup_matchers = [\"/docker/<id>\"]\nuse_new_container_locator = true")
            .starts_with(both));
  CHECK(complaint("sigstore { rekor_url = \"ftp://x\" }") == "sigstore: rekor_url is neither an http nor an https URL");
}
