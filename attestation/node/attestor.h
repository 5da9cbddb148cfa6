// A node attestor proves to the server on which node this agent runs. Sans I/O towards the server: it says what to
// send, and answers what the server asks; agent/node carries the bytes (attestation 3.1). One object serves one
// exchange at a time; evidence() begins a new one. I/O thread only. Errors carry the code and the bare text that the
// real plugin answers with; agent/node puts "nodeattestor(NAME): " before it.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::attestation {

// What opens the exchange. The payload may be a secret (a join token), so it is wiped.
class NodeEvidence {
 public:
  NodeEvidence(std::string type, runtime::SecretBytes payload) : type_(std::move(type)), payload_(std::move(payload)) {}
  const std::string& type() const { return type_; }
  runtime::BytesView payload() const { return payload_.view(); }

 private:
  std::string type_;
  runtime::SecretBytes payload_;
};

class NodeAttestor {
 public:
  virtual ~NodeAttestor() = default;
  virtual std::string_view name() const = 0;
  virtual runtime::Result<NodeEvidence> evidence() = 0;
  virtual runtime::Result<runtime::Bytes> answer(runtime::BytesView challenge) = 0;
};

}  // namespace steeple::attestation
