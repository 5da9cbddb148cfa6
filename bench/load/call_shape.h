// The calls the generator can make, as bytes: path, framed request, what an answer must hold. Encoded by hand, because
// the generator links nothing of the agent.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::bench {

struct CallShape {
  std::string path;
  std::string request;       // one gRPC frame
  std::string expect;        // an answer without these bytes is a failure; empty: any answer is good
  std::string secret;        // SDS: the name asked for; numbered: the audience's beginning
  std::string refusal;       // the grpc-status that is the good answer; empty: an answer is
  bool unary = false;        // done with the trailers, not with the first message
  bool numbered = false;     // each call asks for the audience `secret` with a number of its own
  bool acknowledge = false;  // SDS: the request side stays open, and each answer is acknowledged with its nonce
};

// x509 | x509-bundles | jwt | jwt-new | sds | health. `argument`: the audience of `jwt`, the secret's name of `sds`.
// jwt-new asks each time for another audience, so that nothing can be cached.
runtime::Result<CallShape> call_shape(std::string_view name, std::string_view argument);

// The request of one call, framed.
std::string request_of(const CallShape& call);

// The acknowledgement of one DiscoveryResponse (Envoy's xDS protocol, "ACK and NACK"), framed.
std::string sds_acknowledgement(std::string_view response, std::string_view secret);

}  // namespace steeple::bench
