#include "deploy/devserver/attestors/join_token.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

class JoinTokenAttestor final : public AgentAttestor {
 public:
  Result<Step> begin(runtime::BytesView payload) override {
    AttestedAgent agent;
    agent.join_token = runtime::to_text(payload);
    agent.path = "/join_token/" + agent.join_token;
    return Step(std::move(agent));
  }
  Result<Step> next(runtime::BytesView) override { return Error(ErrorCode::kInternal, "join_token has no challenges"); }
};

}  // namespace

std::unique_ptr<AgentAttestor> make_join_token_attestor() { return std::make_unique<JoinTokenAttestor>(); }

}  // namespace steeple::devserver
