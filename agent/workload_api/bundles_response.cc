#include "agent/workload_api/bundles_response.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>

#include <algorithm>

#include "agent/spiffe/jwks.h"
#include "runtime/grpc/call.h"
#include "spiffe/workload/workload.pb.h"

namespace steeple::agent {

using runtime::SharedBytes;

namespace {

std::vector<SharedBundle> told(const WorkloadUpdate& update) {
  std::vector<SharedBundle> bundles;
  bundles.reserve(1 + update.federated_bundles().size());
  bundles.push_back(update.own_bundle());
  if (!update.identities().empty()) {
    bundles.insert(bundles.end(), update.federated_bundles().begin(), update.federated_bundles().end());
  }
  return bundles;
}

// In a fixed order of the map, so that equal content has equal bytes.
template <class Response>
SharedBytes encoded(const Response& response) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    response.SerializeToCodedStream(&coded);
  }
  return runtime::grpc::make_message(runtime::as_bytes(bytes));
}

SharedBytes encode_x509(const std::vector<SharedBundle>& bundles) {
  X509BundlesResponse response;
  for (const SharedBundle& bundle : bundles) {
    runtime::Bytes der = bundle->x509_der();
    (*response.mutable_bundles())[bundle->trust_domain().id_string()].assign(der.begin(), der.end());
  }
  return encoded(response);
}

SharedBytes encode_jwt(const std::vector<SharedBundle>& bundles) {
  JWTBundlesResponse response;
  for (const SharedBundle& bundle : bundles) {
    (*response.mutable_bundles())[bundle->trust_domain().id_string()] = format_jwt_key_set(*bundle);
  }
  return encoded(response);
}

}  // namespace

SharedBytes BundlesResponses::encode(const WorkloadUpdate& update) {
  if (!update.own_bundle()) return {};
  std::vector<SharedBundle> bundles = told(update);
  auto known = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.bundles == bundles; });
  if (known != kept_.end()) {
    std::rotate(known, known + 1, kept_.end());
    return kept_.back().message;
  }
  if (kept_.size() == kBundlesResponsesKept) kept_.erase(kept_.begin());
  SharedBytes message = kind_ == BundleKind::kX509 ? encode_x509(bundles) : encode_jwt(bundles);
  kept_.push_back({std::move(bundles), message});
  return message;
}

}  // namespace steeple::agent
