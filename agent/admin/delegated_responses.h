// The messages of the DelegatedIdentity API, with their gRPC prefix (endpoints 5.2, 8.5). Those with keys or tokens are
// wiped with their last owner. Pure, I/O thread only.
#pragma once

#include <map>
#include <span>

#include "agent/cache/workload_update.h"
#include "agent/spiffe/jwt_svid.h"

namespace steeple::agent::delegated {

// Entries that are never handed to a delegate.
inline bool is_withheld(const RegistrationEntry& entry) { return entry.admin || entry.downstream; }

// In order of entry id, without a hint filter; an update without identities is an empty message.
runtime::Result<runtime::SharedBytes> x509_svids(const WorkloadUpdate& update);

struct IssuedJwt {
  SharedEntry entry;
  SharedJwtSvid svid;
};
runtime::SharedBytes jwt_svids(std::span<const IssuedJwt> issued);

using Bundles = std::map<TrustDomain, SharedBundle>;
runtime::SharedBytes x509_bundles(const Bundles& bundles);
runtime::SharedBytes jwt_bundles(const Bundles& bundles);

}  // namespace steeple::agent::delegated
