// Agent/AttestAgent (server-sync 8.4): checks in the real server's order, then signs and records in one transaction
// with the use of a join token, so that a crash never burns a token without an agent to show for it.
#include <fmt/format.h>

#include "deploy/devserver/services/agent_rpcs.h"
#include "deploy/devserver/services/messages.h"
#include "deploy/devserver/services/rules.h"
#include "runtime/tls/csr.h"
#include "spire/api/server/agent/v1/agent.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::agent::v1;
using runtime::Error;
using runtime::Result;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

constexpr std::string_view kUnknownToken = "failed to attest: join token does not exist or has already been used";

Status check_params(const v1::AttestAgentRequest& request) {
  std::string_view missing;
  const auto& params = request.params();
  if (!request.has_params()) {
    missing = "missing params";
  } else if (!params.has_data()) {
    missing = "missing attestation data";
  } else if (!params.has_params()) {
    missing = "missing X509-SVID parameters";
  } else if (params.params().csr().empty()) {
    missing = "missing CSR";
  } else if (params.data().type().empty()) {
    missing = "missing attestation data type";
  } else if (params.data().payload().empty()) {
    missing = "missing attestation data payload";
  }
  if (missing.empty()) return Status::ok();
  return Status(StatusCode::kInvalidArgument, fmt::format("malformed param: {}", missing));
}

runtime::Task<Answer<v1::AttestAgentRequest>> receive(ServerCall& call) {
  auto received = co_await call.receive();
  if (!received) co_return runtime::grpc::to_status(received.error());
  if (!*received) co_return Status(StatusCode::kInvalidArgument, "failed to receive request from stream: EOF");
  v1::AttestAgentRequest request;
  if (!decode(request, **received)) co_return malformed_message();
  co_return std::move(request);
}

// The exchange with the attestor, until it says who the agent is.
runtime::Task<Answer<AttestedAgent>> exchange(ServerContext& context, ServerCall& call,
                                              const v1::AttestAgentRequest& first) {
  const std::string& type = first.params().data().type();
  auto factory = context.attestors.find(type);
  if (factory == context.attestors.end()) {
    co_return Status(StatusCode::kFailedPrecondition,
                     fmt::format("error getting node attestor: could not find node attestor type \"{}\"", type));
  }
  std::unique_ptr<AgentAttestor> attestor = factory->second();
  Result<AgentAttestor::Step> step =
      co_await attestor->begin(runtime::as_bytes(first.params().data().payload()), call.deadline(), call.stop());
  for (int round = 0; step && round < kChallengesMax; ++round) {
    if (auto* agent = std::get_if<AttestedAgent>(&*step)) co_return std::move(*agent);
    v1::AttestAgentResponse response;
    response.set_challenge(std::string(runtime::as_text(std::get<AgentAttestor::Challenge>(*step))));
    Status sent = co_await send(call, encode(response));
    if (!sent.is_ok()) co_return std::move(sent);
    auto answer = co_await receive(call);
    if (!answer) co_return std::move(answer.error());
    step = co_await attestor->next(runtime::as_bytes(answer->challenge_response()), call.deadline(), call.stop());
  }
  if (!step) co_return runtime::grpc::to_status(step.error());
  co_return Status(StatusCode::kInternal, "too many challenges");
}

// One transaction: the token is used up and the agent is known, or neither.
Status record_agent(ServerContext& context, const AttestedAgent& attested, const AgentRecord& agent) {
  Status refused;
  auto written = context.datastore.write([&]() -> Result<void> {
    if (!attested.join_token.empty()) {
      STEEPLE_TRY(expires_at, context.datastore.join_tokens().take(attested.join_token));
      if (!expires_at) {
        refused = Status(StatusCode::kInvalidArgument, std::string(kUnknownToken));
      } else if (*expires_at < context.now()) {
        refused = Status(StatusCode::kInvalidArgument, "join token expired");
      }
      if (!refused.is_ok()) return {};  // an expired token is gone all the same
    }
    return context.datastore.agents().put(agent);
  });
  if (!written) return status_of(StatusCode::kInternal, "failed to create attested agent", &written.error());
  return refused;
}

Answer<v1::AttestAgentResponse> admit(ServerContext& context, const v1::AttestAgentRequest& request,
                                      const AttestedAgent& attested) {
  auto id = agent::SpiffeId::make(context.settings.trust_domain, "/spire/agent" + attested.path);
  if (!id && !attested.join_token.empty()) return Status(StatusCode::kInvalidArgument, std::string(kUnknownToken));
  if (!id) return status_of(StatusCode::kInternal, "invalid agent ID", &id.error());
  const AgentRecord* known = context.datastore.agents().find(id->text());
  if (known != nullptr && known->banned()) {
    return Status(StatusCode::kPermissionDenied, "failed to attest: agent is banned");
  }
  auto svid = sign_agent_svid(context, id->text(), request.params().params().csr());
  if (!svid) return std::move(svid.error());

  AgentRecord agent;
  if (known != nullptr) agent.version = known->version;
  agent.spiffe_id = id->text();
  agent.attestation_type = request.params().data().type();
  agent.serial = svid->serial_decimal();
  agent.expires_at = unix_seconds(svid->not_after());
  agent.can_reattest = attested.can_reattest;
  agent.selectors = attested.selectors;
  Status recorded = record_agent(context, attested, agent);
  if (!recorded.is_ok()) return recorded;

  v1::AttestAgentResponse response;
  set_svid(*response.mutable_result()->mutable_svid(), *id, *svid);
  response.mutable_result()->set_reattestable(attested.can_reattest);
  context.log.info("Agent attestation request completed",
                   {{"agent_id", id->text()}, {"node_attestor_type", agent.attestation_type}});
  return response;
}

}  // namespace

runtime::Task<Status> attest_agent(ServerContext& context, ServerCall& call, const Caller&) {
  auto request = co_await receive(call);
  if (!request) co_return std::move(request.error());
  Status complete = check_params(*request);
  if (!complete.is_ok()) co_return complete;
  auto attested = co_await exchange(context, call, *request);
  if (!attested) co_return std::move(attested.error());
  auto response = admit(context, *request, *attested);
  if (!response) co_return std::move(response.error());
  co_return co_await send(call, encode(*response));
}

}  // namespace steeple::devserver
