// The table of built-in workload attestors: one line, one folder and one config struct each. The agent's configuration
// layer turns plugin_data into one of the structs; a name that is not here is refused by it, by name.
#pragma once

#include <memory>
#include <string_view>
#include <variant>
#include <vector>

#include "attestation/workload/attestor.h"
#include "attestation/workload/docker/docker_attestor.h"
#include "attestation/workload/k8s/k8s_attestor.h"
#include "attestation/workload/systemd/systemd_attestor.h"
#include "attestation/workload/unix/unix_attestor.h"

namespace steeple::attestation {

using WorkloadAttestorConfig = std::variant<UnixConfig, K8sConfig, DockerConfig, SystemdConfig>;

// What attestors may use of the process. All of it outlives them.
struct WorkloadAttestorParts {
  runtime::Loop& loop;
  runtime::WorkerPool& workers;
  runtime::AccountNames& names;
  runtime::Logger log;  // of the plugin
};

const std::vector<std::string_view>& built_in_workload_attestors();  // sorted
bool is_built_in_workload_attestor(std::string_view name);

// Errors are the plugin's bare texts with kInvalidArgument.
runtime::Result<std::unique_ptr<WorkloadAttestor>> make_workload_attestor(WorkloadAttestorConfig config,
                                                                          const WorkloadAttestorParts& parts);

}  // namespace steeple::attestation
