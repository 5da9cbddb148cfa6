#include "attestation/node/join_token/join_token_attestor.h"

namespace steeple::attestation {

namespace {

class JoinTokenAttestor final : public NodeAttestor {
 public:
  explicit JoinTokenAttestor(JoinTokenConfig config) : config_(std::move(config)) {}

  std::string_view name() const override { return kJoinTokenName; }

  runtime::Result<NodeEvidence> evidence() override {
    if (config_.token.empty()) {
      return runtime::Error(runtime::ErrorCode::kInvalidArgument, "join token was not provided");
    }
    return NodeEvidence(std::string(kJoinTokenName), config_.token.clone());
  }

  runtime::Result<runtime::Bytes> answer(runtime::BytesView) override {
    return runtime::Error(runtime::ErrorCode::kInternal, "server issued unexpected challenge");
  }

 private:
  JoinTokenConfig config_;
};

}  // namespace

runtime::Result<std::unique_ptr<NodeAttestor>> make_join_token_attestor(JoinTokenConfig config) {
  return std::unique_ptr<NodeAttestor>(std::make_unique<JoinTokenAttestor>(std::move(config)));
}

}  // namespace steeple::attestation
