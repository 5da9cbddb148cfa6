// Reads the end-entity certificates that a CA signs for workloads without OpenSSL, whose 3.0 decoder spends five times
// as long on the public key alone as a key and a CSR take. Only the plain profile is read: DER, version 3, ASCII names,
// the common signature algorithms, the six extensions of X.509-SVIDs, once each, one URI SAN, neither a CA nor a signer
// of certificates or CRLs. Anything else gives nothing, and the caller turns to Certificate::parse, which also has the
// words for what is wrong. So nothing is read here that it would refuse or read otherwise; the public key is not
// decoded, which is for a caller that has the key and compares. Pure, any thread.
#pragma once

#include <optional>
#include <string>

#include "runtime/core/bytes.h"
#include "runtime/core/clock.h"

namespace steeple::runtime {

struct PlainLeaf {
  BytesView public_key;  // SubjectPublicKeyInfo, a view of the input
  WallTime not_before;
  WallTime not_after;
  std::string uri;
};

std::optional<PlainLeaf> read_plain_leaf(BytesView der);  // exactly one certificate

}  // namespace steeple::runtime
