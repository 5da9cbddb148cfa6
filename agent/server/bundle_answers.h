// The bundles as the server answered last. Pass after pass brings the same bytes, for days: parsing its certificates
// and keys anew was nine tenths of what an idle agent did. Only an answer equal byte for byte is taken as known.
// I/O thread only.
#pragma once

#include <map>
#include <string>

#include "agent/spiffe/bundle.h"
#include "runtime/core/bytes.h"

namespace steeple::agent {

class BundleAnswers {
 public:
  // Null: the last answer was another one, or could not be read. The own bundle is asked for once in each pass:
  // federated bundles that nobody has asked for since the one before are let go.
  SharedBundle own(runtime::BytesView answer);
  SharedBundle federated(const TrustDomain& trust_domain, runtime::BytesView answer);

  SharedBundle keep_own(runtime::Bytes answer, Bundle bundle);
  SharedBundle keep_federated(runtime::Bytes answer, Bundle bundle);
  std::size_t kept() const { return (own_.bundle ? 1 : 0) + federated_.size(); }

 private:
  struct Answer {
    runtime::Bytes bytes;
    SharedBundle bundle;
    bool asked = true;  // since the own bundle was
  };
  static SharedBundle of(const Answer& known, runtime::BytesView answer);
  Answer own_;
  std::map<TrustDomain, Answer> federated_;
};

}  // namespace steeple::agent
