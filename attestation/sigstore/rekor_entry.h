// An entry of the log of signatures as Rekor tells it: in the bundle beside a signature, or in its answer to a search.
// A value; nothing of it is believed yet.
#pragma once

#include <cstdint>
#include <string>

namespace steeple::attestation {

struct RekorEntry {
  std::string body;                  // base64 of the canonical entry
  std::int64_t integrated_time = 0;  // seconds since 1970
  std::int64_t log_index = 0;
  std::string log_id;                  // hex
  std::string signed_entry_timestamp;  // base64, Rekor's signature over the four above
};

}  // namespace steeple::attestation
