// A workload attestor that gives the same answer for every process.
#pragma once

#include "attestation/workload/engine.h"

namespace steeple::tests {

class FixedAttestor final : public attestation::WorkloadAttestor {
 public:
  using Answer = runtime::Result<attestation::Selectors>;
  // `answer` outlives the attestor, and may change meanwhile.
  explicit FixedAttestor(const Answer& answer) : answer_(answer) {}
  std::string_view name() const override { return "unix"; }
  runtime::Task<Answer> attest(const runtime::ProcessHandle&, runtime::Deadline, runtime::StopToken) override {
    co_return answer_;
  }

 private:
  const Answer& answer_;
};

inline attestation::WorkloadEngine::Attestors one_attestor(const FixedAttestor::Answer& answer) {
  attestation::WorkloadEngine::Attestors attestors;
  attestors.push_back(std::make_unique<FixedAttestor>(answer));
  return attestors;
}

}  // namespace steeple::tests
