#include "deploy/devserver/attestors/x509pop.h"

namespace steeple::devserver {
namespace {

using runtime::Deadline;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;
namespace x509pop = attestation::x509pop;

class X509popAttestor final : public AgentAttestor {
 public:
  X509popAttestor(const x509pop::VerifierOptions& options, std::string trust_domain, const runtime::Clock& clock)
      : verifier_(options), trust_domain_(std::move(trust_domain)), clock_(clock) {}

  Task<Result<Step>> begin(runtime::BytesView payload, Deadline, StopToken) override {
    STEEPLE_CO_TRY(challenge, named(verifier_.begin(payload, trust_domain_, clock_.wall_now())));
    co_return Step(std::move(challenge));
  }
  Task<Result<Step>> next(runtime::BytesView challenge_response, Deadline, StopToken) override {
    STEEPLE_CO_TRY(facts, named(verifier_.finish(challenge_response)));
    AttestedAgent agent;
    agent.path = std::move(facts.path);
    agent.can_reattest = true;
    std::vector<attestation::Selector> selectors;
    for (std::string& value : facts.selectors) selectors.emplace_back("x509pop", std::move(value));
    agent.selectors = attestation::Selectors(std::move(selectors));
    co_return Step(std::move(agent));
  }

 private:
  template <class T>
  static Result<T> named(Result<T> result) {
    return runtime::with_context(std::move(result), "nodeattestor(x509pop)");
  }
  x509pop::Verifier verifier_;
  std::string trust_domain_;
  const runtime::Clock& clock_;
};

}  // namespace

std::unique_ptr<AgentAttestor> make_x509pop_attestor(const x509pop::VerifierOptions& options, std::string trust_domain,
                                                     const runtime::Clock& clock) {
  return std::make_unique<X509popAttestor>(options, std::move(trust_domain), clock);
}

}  // namespace steeple::devserver
