#include "attestation/workload/table.h"

#include <algorithm>

namespace steeple::attestation {
namespace {

struct Factory {
  const WorkloadAttestorParts& parts;
  using Made = runtime::Result<std::unique_ptr<WorkloadAttestor>>;
  Made operator()(UnixConfig& config) const {
    return std::unique_ptr<WorkloadAttestor>(
        std::make_unique<UnixAttestor>(config, parts.names, parts.loop, parts.workers));
  }
  Made operator()(DockerConfig& config) const { return DockerAttestor::make(std::move(config), parts.loop, parts.log); }
  Made operator()(SystemdConfig& config) const {
    return std::unique_ptr<WorkloadAttestor>(std::make_unique<SystemdAttestor>(config, parts.loop));
  }
  Made operator()(K8sConfig& config) const { return K8sAttestor::make(std::move(config), parts.loop, parts.log); }
};

}  // namespace

const std::vector<std::string_view>& built_in_workload_attestors() {
  static const std::vector<std::string_view> names = {kDockerName, kK8sName, kSystemdName, kUnixName};
  return names;
}

bool is_built_in_workload_attestor(std::string_view name) {
  const std::vector<std::string_view>& names = built_in_workload_attestors();
  return std::find(names.begin(), names.end(), name) != names.end();
}

runtime::Result<std::unique_ptr<WorkloadAttestor>> make_workload_attestor(WorkloadAttestorConfig config,
                                                                          const WorkloadAttestorParts& parts) {
  return std::visit(Factory{parts}, config);
}

}  // namespace steeple::attestation
