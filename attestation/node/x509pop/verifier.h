// The server's side of x509pop in mode external_pki (attestation 3.5), for the development server: checks the chain,
// makes the challenge, checks the answer, and says who the agent is. Sans I/O: one object is one exchange. Error codes
// and texts are those of the real plugin. Any extended key usage will do; odd but valid certificates (serial 0,
// notBefore in year 1, no SAN, an authority without key usage) are accepted as Go accepts them.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "attestation/node/x509pop/messages.h"
#include "attestation/selector/selector.h"
#include "runtime/core/clock.h"

namespace steeple::attestation::x509pop {

struct VerifierOptions {
  std::vector<runtime::Bytes> roots;  // DER
  std::size_t intermediates_max = 4;
  std::size_t rsa_key_bits_max = 8192;
};

// Who the agent is, once the exchange has ended well.
class AgentFacts {
 public:
  AgentFacts(std::string agent_path, std::vector<std::string> selector_values)
      : path(std::move(agent_path)), selectors(std::move(selector_values)) {}
  std::string path;                    // below /spire/agent: "/x509pop/<SHA-1 of the leaf in lower hex>"
  std::vector<std::string> selectors;  // values, the type being x509pop; in the real plugin's order
};

class Verifier {
 public:
  // `options` outlives the object.
  explicit Verifier(const VerifierOptions& options) : options_(options) {}

  // The agent's payload; gives the challenge to send.
  runtime::Result<runtime::Bytes> begin(runtime::BytesView payload, const std::string& trust_domain,
                                        runtime::WallTime now);
  // The agent's answer to it.
  runtime::Result<AgentFacts> finish(runtime::BytesView response);

 private:
  const VerifierOptions& options_;
  std::string trust_domain_;
  std::vector<runtime::Bytes> chain_;  // verified, leaf first, root last
  Challenge challenge_;
};

}  // namespace steeple::attestation::x509pop
