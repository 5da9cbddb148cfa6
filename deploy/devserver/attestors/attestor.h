// How an agent proves its node to the server (attestation 3.1): one object is one exchange, which may ask others (an
// API server) before it answers. The service carries the bytes, signs, and records. A method is a file here and a line
// in server.cc.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <variant>

#include "attestation/selector/selector.h"
#include "runtime/core/bytes.h"
#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::devserver {

inline constexpr int kChallengesMax = 8;  // rounds of one exchange

struct AttestedAgent {
  std::string path;  // below /spire/agent: "/join_token/TOKEN"
  attestation::Selectors selectors;
  bool can_reattest = false;
  std::string join_token;  // to be used up with the record; empty for other methods
};

class AgentAttestor {
 public:
  using Challenge = runtime::Bytes;
  using Step = std::variant<Challenge, AttestedAgent>;
  virtual ~AgentAttestor() = default;
  // The bytes stay until the task has ended.
  virtual runtime::Task<runtime::Result<Step>> begin(runtime::BytesView payload, runtime::Deadline deadline,
                                                     runtime::StopToken stop) = 0;
  virtual runtime::Task<runtime::Result<Step>> next(runtime::BytesView challenge_response, runtime::Deadline deadline,
                                                    runtime::StopToken stop) = 0;
};

// By type name. A method that needs configuration is in the table only when it is configured.
using AttestorTable = std::map<std::string, std::function<std::unique_ptr<AgentAttestor>()>, std::less<>>;

}  // namespace steeple::devserver
