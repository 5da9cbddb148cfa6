// Selectors -> entries: which of thousands of entries apply to a caller (server-sync 4.2). Each entry is filed under
// one of its selectors, the one with the fewest entries so far, so that a lookup meets few entries that it must
// compare. I/O thread only.
#pragma once

#include <cstddef>
#include <unordered_map>
#include <vector>

#include "agent/entry/registration_entry.h"

namespace steeple::agent {

struct SelectorHash {
  std::size_t operator()(const attestation::Selector& selector) const;
};

class EntryIndex {
 public:
  void add(SharedEntry entry);
  void remove(const RegistrationEntry& entry);  // by id; not there: nothing happens
  // Entries whose selectors are all among `selectors`, in order of entry id (bytewise).
  std::vector<SharedEntry> match(const attestation::Selectors& selectors) const;
  bool any_match(const attestation::Selectors& selectors) const;
  std::size_t size() const { return filed_under_.size(); }

 private:
  using Buckets = std::unordered_map<attestation::Selector, std::vector<SharedEntry>, SelectorHash>;
  struct Place {
    Buckets::value_type* bucket;  // stays where it is while it exists
    std::size_t position;
  };
  Buckets buckets_;
  std::unordered_map<std::string, Place> filed_under_;
};

}  // namespace steeple::agent
