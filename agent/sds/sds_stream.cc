#include "agent/sds/sds_stream.h"

#include "runtime/core/assert.h"

namespace steeple::agent {

using runtime::Result;
using runtime::grpc::Status;

bool uses_spiffe_validator(const std::optional<SdsNode>& node, const SdsOptions& options) {
  if (!node) return !options.disable_spiffe_cert_validation;
  return node->knows_spiffe_validator && !node->disable_spiffe_checks.value_or(options.disable_spiffe_cert_validation);
}

SdsStream::Noted SdsStream::on_request(SdsRequest request) {
  Noted noted;
  if (!last_nonce_.empty()) {
    if (request.response_nonce != last_nonce_) {
      noted.stale_nonce = true;
      noted.expected = last_nonce_;
      return noted;
    }
    if (request.version_info != version_info()) {
      noted.version_rejected = true;
      noted.expected = version_info();
    }
    if (!request.node) request.node = last_node_;
  }
  // A rejection alone sends nothing again: the client would only reject it once more.
  if (!request_ || names_changed(request_->names, request.names)) due_ = true;
  request_ = std::move(request);
  return noted;
}

void SdsStream::on_update(std::shared_ptr<const WorkloadUpdate> update) {
  update_ = std::move(update);
  ++version_;
  due_ = true;
}

Result<SdsAnswer, Status> SdsStream::next() {
  STEEPLE_ASSERT(wants_to_send());
  due_ = false;
  SdsQuestion question{update_, wanted_names(request_->names),
                       uses_spiffe_validator(request_->node, responses_.options()), version_info(), request_->type_url};
  // A second answer for one version gets a nonce that this stream has surely not seen yet.
  Result<SdsAnswer, Status> answer = responses_.answer(question, /*fresh=*/version_sent_ == version_);
  if (!answer) return answer;
  version_sent_ = version_;
  last_nonce_ = answer->nonce;
  if (request_->node) last_node_ = request_->node;
  return answer;
}

}  // namespace steeple::agent
