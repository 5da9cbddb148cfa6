// Whom signatures of images are believed: Fulcio's certificates, and the keys of the logs of signatures (Rekor) and of
// certificates (CT). A value, set once at the start.
#pragma once

#include <string>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

// A transparency log's key, under the id that entries and timestamps name it by (RFC 6962, 3.2).
struct LogKey {
  std::string id;       // SHA-256 of `spki`, in lower-case hex
  runtime::Bytes spki;  // SubjectPublicKeyInfo, DER
  bool active = true;   // false: retired; what it has signed is still believed, with a warning
};
LogKey log_key(runtime::Bytes spki, bool active = true);

struct TrustMaterial {
  std::vector<runtime::Bytes> fulcio_roots;  // certificates, DER
  std::vector<runtime::Bytes> fulcio_intermediates;
  std::vector<LogKey> rekor_keys;   // empty where ignore_tlog
  std::vector<LogKey> ct_log_keys;  // empty where ignore_sct
};

}  // namespace steeple::attestation
