#include "deploy/devserver/attestors/join_token.h"

namespace steeple::devserver {
namespace {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

class JoinTokenAttestor final : public AgentAttestor {
 public:
  Task<Result<Step>> begin(runtime::BytesView payload, Deadline, StopToken) override {
    AttestedAgent agent;
    agent.join_token = runtime::to_text(payload);
    agent.path = "/join_token/" + agent.join_token;
    co_return Step(std::move(agent));
  }
  Task<Result<Step>> next(runtime::BytesView, Deadline, StopToken) override {
    co_return Error(ErrorCode::kInternal, "join_token has no challenges");
  }
};

}  // namespace

std::unique_ptr<AgentAttestor> make_join_token_attestor() { return std::make_unique<JoinTokenAttestor>(); }

}  // namespace steeple::devserver
