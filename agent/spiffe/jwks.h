// Reader and writer of the SPIFFE bundle document (JWKS), with SPIRE's rules and texts (server-sync 1.2): `use`
// decides, an x509-svid entry holds exactly one x5c certificate, a jwt-svid entry needs a key id. Of duplicate members
// the last counts. JWT keys of types other than EC and RSA, and wit-svid entries, are passed over.
#pragma once

#include <string>
#include <string_view>

#include "agent/spiffe/bundle.h"

namespace steeple::agent {

inline constexpr std::size_t kBundleDocumentSizeMax = 8 * 1024 * 1024;

runtime::Result<Bundle> parse_bundle_document(const TrustDomain& trust_domain, std::string_view json);

// x509-svid entries first, then jwt-svid, in SPIRE's member order. `indent` puts each member on its own line (4
// spaces).
runtime::Result<std::string> format_bundle_document(const Bundle& bundle, bool indent);

// The JWK Set that workloads are told (endpoints 2.4): JWT keys alone, by key id, each on its own lines, without `use`
// and SPIFFE's members. A key of a type other than EC and RSA is passed over.
std::string format_jwt_key_set(const Bundle& bundle);

}  // namespace steeple::agent
