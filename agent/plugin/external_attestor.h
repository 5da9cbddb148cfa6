// An external plugin of type WorkloadAttestor as an attestor among others: it is given the process' number and gives
// selector values, of the type that is its name. The plugin outlives it. I/O thread only.
#pragma once

#include <chrono>

#include "agent/plugin/external_plugin.h"
#include "attestation/workload/attestor.h"

namespace steeple::agent {

inline constexpr std::string_view kWorkloadAttestorService = "spire.plugin.agent.workloadattestor.v1.WorkloadAttestor";
inline constexpr std::chrono::seconds kExternalAttestWait{30};  // of one call, whatever the caller's own deadline

class ExternalAttestor final : public attestation::WorkloadAttestor {
 public:
  explicit ExternalAttestor(ExternalPlugin& plugin) : plugin_(plugin) {}
  std::string_view name() const override { return plugin_.name(); }
  // Asked by AttestReference when it does not have Attest. Errors are whole: "rpc error: code = C desc = ...".
  runtime::Task<runtime::Result<attestation::Selectors>> attest(const runtime::ProcessHandle& process,
                                                                runtime::Deadline deadline,
                                                                runtime::StopToken stop) override;

 private:
  ExternalPlugin& plugin_;
};

}  // namespace steeple::agent
