#include "agent/server/attest_call.h"

#include "agent/server/bundle_conversion.h"
#include "agent/server/messages.h"
#include "runtime/tls/x509.h"
#include "spire/api/server/agent/v1/agent.pb.h"
#include "spire/api/types/bundle.pb.h"

namespace steeple::agent {
namespace {

using runtime::Bytes;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;
using runtime::grpc::CallOptions;
using runtime::grpc::ClientStream;
using runtime::grpc::Status;
using spire::api::server::agent::v1::AttestAgentRequest;
using spire::api::server::agent::v1::AttestAgentResponse;

constexpr const char* kSendContext = "failed to send attestation request to SPIRE server";
constexpr const char* kReceiveContext = "failed to receive attestation response";
constexpr const char* kParseContext = "failed to parse attestation response";

Error malformed(const char* text) { return Error(ErrorCode::kMalformed, text); }

Bytes params_message(const AttestRequest& request) {
  AttestAgentRequest message;
  AttestAgentRequest::Params& params = *message.mutable_params();
  params.mutable_data()->set_type(request.type);
  params.mutable_data()->set_payload(request.payload.data(), request.payload.size());
  params.mutable_params()->set_csr(request.csr.data(), request.csr.size());
  return serialize(message);
}

Result<AttestResult> read_result(const AttestAgentResponse::Result& result) {
  if (!result.has_svid()) return malformed("attest response is missing SVID");
  Bytes chain;
  for (const std::string& der : result.svid().cert_chain()) chain.insert(chain.end(), der.begin(), der.end());
  STEEPLE_TRY(certificates, with_context(runtime::parse_certificate_chain(chain), "invalid SVID cert chain"));
  if (certificates.empty()) return malformed("empty SVID cert chain");
  return AttestResult(std::move(chain), result.reattestable());
}

Task<ServerResult<AttestAgentResponse>> receive(RpcChannel& channel, ClientStream& stream) {
  Result<std::optional<Bytes>, Status> received = co_await stream.receive();
  if (!received) co_return classify(received.error(), channel.last_connect_error()).with_context(kReceiveContext);
  if (!*received) co_return Error(ErrorCode::kClosed, "EOF").with_context(kReceiveContext);
  AttestAgentResponse response;
  STEEPLE_CO_CHECK(with_context(parse(**received, response), kReceiveContext));
  co_return std::move(response);
}

}  // namespace

Task<ServerResult<AttestResult>> attest_agent(RpcChannel& channel, AttestRequest request, ChallengeAnswer answer,
                                              Deadline deadline, StopToken stop) {
  Result<std::unique_ptr<ClientStream>, Status> opened =
      co_await channel.open_stream("/spire.api.server.agent.v1.Agent/AttestAgent", CallOptions(deadline, stop));
  if (!opened) {
    co_return classify(opened.error(), channel.last_connect_error())
        .with_context("could not open attestation stream to SPIRE server");
  }
  ClientStream& stream = **opened;
  Bytes outgoing = params_message(request);
  for (int round = 0; round <= kAttestRoundsMax; ++round) {
    Result<void, Status> sent = co_await stream.send(outgoing);
    if (!sent) co_return classify(sent.error(), channel.last_connect_error()).with_context(kSendContext);
    STEEPLE_CO_TRY(response, co_await receive(channel, stream));
    if (response.step_case() == AttestAgentResponse::kResult) {
      stream.half_close();
      STEEPLE_CO_TRY(result, with_context(read_result(response.result()), kParseContext));
      co_return std::move(result);
    }
    if (response.step_case() != AttestAgentResponse::kChallenge) {
      co_return malformed("failed to parse attestation response: neither a challenge nor a result");
    }
    STEEPLE_CO_TRY(challenge_response, answer(runtime::as_bytes(response.challenge())));
    AttestAgentRequest message;
    message.set_challenge_response(challenge_response.data(), challenge_response.size());
    outgoing = serialize(message);
  }
  co_return Error(ErrorCode::kLimit, "too many attestation challenges");
}

Task<ServerResult<Bundle>> get_bundle_after_attestation(RpcChannel& channel, Deadline deadline, StopToken stop) {
  constexpr const char* kContext = "failed to get updated bundle";
  Result<Bytes, Status> answer =
      co_await channel.unary("/spire.api.server.bundle.v1.Bundle/GetBundle", Bytes(), CallOptions(deadline, stop));
  if (!answer) co_return classify(answer.error(), channel.last_connect_error()).with_context(kContext);
  spire::api::types::Bundle message;
  STEEPLE_CO_CHECK(with_context(parse(*answer, message), kContext));
  STEEPLE_CO_TRY(bundle, with_context(bundle_from_proto(message), kContext));
  co_return std::move(bundle);
}

}  // namespace steeple::agent
