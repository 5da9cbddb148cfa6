// One StreamSecrets stream as a state machine: requests and updates in, what to send out (endpoints 3.4). Sans I/O: no
// coroutine, no log; notes of a request are given back for the log. Lives in the handler's frame. I/O thread only.
#pragma once

#include <cstdint>
#include <optional>

#include "agent/sds/sds_request.h"
#include "agent/sds/sds_responses.h"

namespace steeple::agent {

class SdsStream {
 public:
  // `responses` outlives the stream.
  explicit SdsStream(SdsResponses& responses) : responses_(responses) {}

  // What became of a request.
  struct Noted {
    bool stale_nonce = false;       // ignored as a whole
    bool version_rejected = false;  // the client rolled back
    std::string expected;           // the nonce or version that was expected, for either of the two
  };
  Noted on_request(SdsRequest request);
  void on_update(std::shared_ptr<const WorkloadUpdate> update);

  // A response is due: ask for it with next().
  bool wants_to_send() const { return due_ && request_ && update_; }
  // The response, its nonce noted as sent; or the status that ends the stream.
  runtime::Result<SdsAnswer, runtime::grpc::Status> next();

  std::string version_info() const { return std::to_string(version_); }

 private:
  SdsResponses& responses_;
  std::uint64_t version_ = 0;
  std::uint64_t version_sent_ = 0;
  std::string last_nonce_;
  std::optional<SdsNode> last_node_;
  std::optional<SdsRequest> request_;
  std::shared_ptr<const WorkloadUpdate> update_;
  bool due_ = false;
};

// Whether validation contexts are SPIFFE validators for this node.
bool uses_spiffe_validator(const std::optional<SdsNode>& node, const SdsOptions& options);

}  // namespace steeple::agent
