// The keys of the workload attestor `docker` (attestation 2.3).
#include <optional>

#include "agent/config/plugin_keys.h"
#include "agent/config/plugin_sigstore.h"

namespace steeple::agent {
namespace {

using runtime::Result;

constexpr char kBothLocators[] =
    "the new container locator and custom cgroup matchers cannot both be used; please open an issue if the new "
    "container "
    "locator fails to locate workload containers in your environment; to continue using custom matchers set "
    "use_new_container_locator=false";

struct RawKeys {
  DockerAttestorKeys keys;
  std::optional<bool> use_new_container_locator;
  SigstoreKeys sigstore;

  Result<void> read(hcl::ObjectReader& reader);
  std::string complain() const;
};

Result<void> RawKeys::read(hcl::ObjectReader& reader) {
  STEEPLE_CHECK(reader.read("docker_socket_path", keys.docker_socket_path));
  STEEPLE_CHECK(reader.read("docker_version", keys.docker_version));
  STEEPLE_CHECK(reader.read("podman_socket_path", keys.podman_socket_path));
  STEEPLE_CHECK(reader.read("podman_socket_path_template", keys.podman_socket_path_template));
  STEEPLE_CHECK(reader.read("container_id_cgroup_matchers", keys.container_id_cgroup_matchers));
  STEEPLE_CHECK(reader.read("use_new_container_locator", use_new_container_locator));
  STEEPLE_CHECK(reader.read("verbose_container_locator_logs", keys.verbose_container_locator_logs));
  STEEPLE_CHECK(sigstore.read(reader));
  keys.sigstore = sigstore.config();
  return {};
}

std::string RawKeys::complain() const {
  if (!keys.container_id_cgroup_matchers.empty() && use_new_container_locator.value_or(true)) return kBothLocators;
  return sigstore.complaint();
}

}  // namespace

Result<DockerAttestorKeys> docker_attestor_keys(const PluginConfig& plugin, const runtime::Logger& log) {
  return read_checked_keys<RawKeys>(plugin, log);
}

}  // namespace steeple::agent
