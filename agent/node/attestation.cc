#include "agent/node/attestation.h"

#include <fmt/format.h>

#include "agent/keys/key_slots.h"
#include "google/rpc/status.pb.h"
#include "runtime/tls/csr.h"
#include "spire/api/types/status.pb.h"

namespace steeple::agent {

namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

RetryCause cause_of(const ServerError& error) {
  return error.error_class() == ServerErrorClass::kUnreachable ? RetryCause::kUnreachable : RetryCause::kRemote;
}

AttestationError local(Error error) { return AttestationError(ServerError(std::move(error)), RetryCause::kLocal); }
AttestationError remote(Error error) { return AttestationError(ServerError(std::move(error)), RetryCause::kRemote); }

// The attestor's side of the exchange, with the plugin's words before each error.
Result<attestation::NodeEvidence> evidence_of(attestation::NodeAttestor& attestor) {
  Result<attestation::NodeEvidence> evidence = attestor.evidence();
  if (!evidence) return plugin_error(attestor.name(), evidence.error());
  if (evidence->payload().empty()) {
    return plugin_error(attestor.name(), Error(ErrorCode::kInternal, "plugin response missing attestation payload"));
  }
  return evidence;
}

Result<Bytes> answer_of(attestation::NodeAttestor& attestor, BytesView challenge) {
  Result<Bytes> answer = attestor.answer(challenge);
  if (!answer) return plugin_error(attestor.name(), answer.error());
  if (answer->empty()) {
    return plugin_error(attestor.name(), Error(ErrorCode::kInternal, "plugin response missing challenge response"));
  }
  return answer;
}

}  // namespace

AttestationError::AttestationError(ServerError error) : ServerError(std::move(error)), cause_(cause_of(*this)) {}

bool AttestationError::denied() const {
  switch (error_class()) {
    case ServerErrorClass::kReattest:
    case ServerErrorClass::kBanned:
    case ServerErrorClass::kPermissionDenied:
      return true;
    default:
      return status().code() == runtime::grpc::StatusCode::kPermissionDenied;
  }
}

Error plugin_error(std::string_view attestor, const Error& error) {
  runtime::grpc::Status status = runtime::grpc::to_status(error);
  runtime::grpc::Status named(status.code(), fmt::format("nodeattestor({}): {}", attestor, error.message()));
  return Error(error.code(), named.text());
}

Result<KeyRequest> make_key_request(KeyManager& keys, const std::optional<ManagedKey>& current) {
  STEEPLE_TRY(key, runtime::with_context(generate_agent_key(keys, current), "unable to generate private key"));
  STEEPLE_TRY(csr, runtime::with_context(runtime::make_csr(key.key), "failed to generate CSR for attestation"));
  return KeyRequest(std::move(key), std::move(csr));
}

runtime::Task<AttestationResult<SharedAgentSvid>> attest_node(const AttestationTools& tools, RpcChannel& channel,
                                                              std::optional<ManagedKey> current,
                                                              runtime::Deadline deadline, runtime::StopToken stop) {
  // A disk that takes no key now may take one later, so that is no reason to give up.
  Result<KeyRequest> request = make_key_request(tools.keys, current);
  if (!request) co_return remote(std::move(request.error()));
  Result<attestation::NodeEvidence> evidence = evidence_of(tools.attestor);
  if (!evidence) co_return local(std::move(evidence.error()));
  AttestRequest call(evidence->type(), runtime::to_bytes(evidence->payload()), request->csr);
  attestation::NodeAttestor* attestor = &tools.attestor;
  ChallengeAnswer answer = [attestor](BytesView challenge) { return answer_of(*attestor, challenge); };
  ServerResult<AttestResult> result =
      co_await attest_agent(channel, std::move(call), std::move(answer), deadline, stop);
  if (!result) co_return AttestationError(std::move(result.error()));
  Result<runtime::Certificates> chain = runtime::parse_certificate_chain(result->chain);
  if (!chain) co_return remote(std::move(chain.error()).with_context("failed to parse attestation response"));
  Result<SharedAgentSvid> svid = AgentSvid::make(std::move(*chain), std::move(request->key), result->reattestable,
                                                 tools.trust_domain, tools.clock.wall_now());
  if (!svid) co_return remote(std::move(svid.error()).with_context("failed to parse attestation response"));
  co_return std::move(*svid);
}

bool must_reattest(const ServerError& error) {
  using spire::api::types::PermissionDeniedDetails;
  if (error.error_class() != ServerErrorClass::kReattest) return false;
  google::rpc::Status status;
  if (!status.ParseFromString(error.status().details())) return false;
  for (const auto& detail : status.details()) {
    PermissionDeniedDetails reason;
    bool ours = detail.type_url().ends_with("/spire.api.types.PermissionDeniedDetails");
    if (ours && reason.ParseFromString(detail.value()) &&
        reason.reason() == PermissionDeniedDetails::AGENT_MUST_REATTEST) {
      return true;
    }
  }
  return false;
}

}  // namespace steeple::agent
