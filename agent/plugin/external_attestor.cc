#include "agent/plugin/external_attestor.h"

#include "agent/server/messages.h"
#include "spiffe/broker/reference.pb.h"
#include "spire/plugin/agent/workloadattestor/v1/workloadattestor.pb.h"

namespace steeple::agent {

using attestation::Selector;
using attestation::Selectors;
using runtime::Bytes;
using runtime::Deadline;
using runtime::Result;
using runtime::Task;
using runtime::grpc::CallOptions;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

namespace wire = spire::plugin::agent::workloadattestor::v1;

constexpr const char* kAttest = "/spire.plugin.agent.workloadattestor.v1.WorkloadAttestor/Attest";
constexpr const char* kAttestReference = "/spire.plugin.agent.workloadattestor.v1.WorkloadAttestor/AttestReference";
constexpr const char* kPidReferenceType = "type.googleapis.com/spiffe.broker.WorkloadPIDReference";

Bytes pid_request(pid_t pid) {
  wire::AttestRequest request;
  request.set_pid(pid);
  return serialize(request);
}

Bytes reference_request(pid_t pid) {
  spiffe::broker::WorkloadPIDReference reference;
  reference.set_pid(pid);
  wire::AttestReferenceRequest request;
  request.mutable_reference()->set_type_url(kPidReferenceType);
  request.mutable_reference()->set_value(reference.SerializeAsString());
  return serialize(request);
}

}  // namespace

Task<Result<Selectors>> ExternalAttestor::attest(const runtime::ProcessHandle& process, Deadline deadline,
                                                 runtime::StopToken stop) {
  const CallOptions options(deadline.sooner(Deadline::in(kExternalAttestWait)), stop);
  auto answer = co_await plugin_.call(kAttest, pid_request(process.pid()), options);
  if (!answer && answer.error().code() == StatusCode::kUnimplemented) {
    answer = co_await plugin_.call(kAttestReference, reference_request(process.pid()), options);
  }
  if (!answer) co_return runtime::grpc::to_error(answer.error());
  wire::AttestResponse response;  // both answers have the same shape
  STEEPLE_CO_CHECK(parse(*answer, response));
  std::vector<Selector> selectors;
  selectors.reserve(static_cast<std::size_t>(response.selector_values_size()));
  for (const std::string& value : response.selector_values()) {
    selectors.emplace_back(std::string(name()), value);
  }
  co_return Selectors(std::move(selectors));
}

}  // namespace steeple::agent
