// Signatures of images as a test says they are.
#pragma once

#include <map>

#include "attestation/sigstore/image_verifier.h"

namespace steeple::testing {

class ScriptedImages final : public attestation::ImageTrust {
 public:
  runtime::Task<runtime::Result<void>> prepare(runtime::Deadline, runtime::StopToken) override { co_return ready; }
  runtime::Task<runtime::Result<attestation::ImageSelectors>> verify(std::string image_id, runtime::Deadline,
                                                                     runtime::StopToken) override {
    asked.push_back(image_id);
    const auto known = answers.find(image_id);
    if (known == answers.end()) co_return runtime::Error(runtime::ErrorCode::kDenied, "not signed");
    co_return known->second;
  }
  runtime::Task<void> close() override {
    closed = true;
    co_return;
  }
  runtime::Result<void> ready;
  std::map<std::string, attestation::ImageSelectors> answers;
  std::vector<std::string> asked;
  bool closed = false;
};

}  // namespace steeple::testing
