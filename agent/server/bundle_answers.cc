#include "agent/server/bundle_answers.h"

#include <algorithm>
#include <utility>

namespace steeple::agent {

using runtime::Bytes;
using runtime::BytesView;

SharedBundle BundleAnswers::of(const Answer& known, BytesView answer) {
  return std::equal(known.bytes.begin(), known.bytes.end(), answer.begin(), answer.end()) ? known.bundle : nullptr;
}

SharedBundle BundleAnswers::own(BytesView answer) {
  std::erase_if(federated_, [](const auto& known) { return !known.second.asked; });
  for (auto& [trust_domain, known] : federated_) known.asked = false;
  return of(own_, answer);
}

SharedBundle BundleAnswers::federated(const TrustDomain& trust_domain, BytesView answer) {
  auto known = federated_.find(trust_domain);
  if (known == federated_.end()) return nullptr;
  known->second.asked = true;
  return of(known->second, answer);
}

SharedBundle BundleAnswers::keep_own(Bytes answer, Bundle bundle) {
  own_ = {std::move(answer), std::make_shared<const Bundle>(std::move(bundle))};
  return own_.bundle;
}

SharedBundle BundleAnswers::keep_federated(Bytes answer, Bundle bundle) {
  auto shared = std::make_shared<const Bundle>(std::move(bundle));
  federated_.insert_or_assign(shared->trust_domain(), Answer{std::move(answer), shared});
  return shared;
}

}  // namespace steeple::agent
