// A registration entry as the agent keeps it: which selectors earn which SPIFFE ID. Made from the server's message by
// the checks of server-sync 3.4 only. Immutable and shared once made; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "agent/spiffe/spiffe_id.h"
#include "attestation/selector/selector.h"
#include "runtime/core/result.h"

namespace spire::api::types {
class Entry;
class EntryMask;
}  // namespace spire::api::types

namespace steeple::agent {

class RegistrationEntry {
 public:
  RegistrationEntry(std::string entry_id, SpiffeId entry_spiffe_id, attestation::Selectors entry_selectors)
      : id(std::move(entry_id)), spiffe_id(std::move(entry_spiffe_id)), selectors(std::move(entry_selectors)) {}

  std::string id;
  SpiffeId spiffe_id;
  attestation::Selectors selectors;         // never empty
  std::vector<TrustDomain> federates_with;  // sorted, each once
  std::int64_t revision_number = 0;
  std::int64_t created_at = 0;  // Unix seconds; 0 from servers before 1.6.3
  std::string hint;
  bool store_svid = false;
  bool admin = false;
  bool downstream = false;
  bool disable_x509_svid_prefetch = false;
  bool jwt_svid_include_jti = false;

  bool operator==(const RegistrationEntry&) const = default;
};

using SharedEntry = std::shared_ptr<const RegistrationEntry>;

// kMalformed with the reason ("selector list is empty").
runtime::Result<RegistrationEntry> entry_from_proto(const spire::api::types::Entry& message);

// The fields of an entry that an agent asks for (server-sync 3.3).
void fill_entry_mask(spire::api::types::EntryMask& mask);

}  // namespace steeple::agent
