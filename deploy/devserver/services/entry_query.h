// ListEntries and CountEntries: which entries a filter takes, and pages of them (server-sync 8.7). Pure.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "deploy/devserver/services/rules.h"

namespace spire::api::types {
class FederatesWithMatch;
}

namespace steeple::devserver {

// A filter that has been checked. `parse` takes ListEntriesRequest.Filter and CountEntriesRequest.Filter alike
// (entry_service).
struct EntryFilter {
  std::optional<std::string> spiffe_id;
  std::optional<std::string> parent_id;
  std::optional<attestation::Selectors> selectors;
  int selector_match = 0;
  std::optional<std::vector<std::string>> federates_with;  // sorted names
  int federates_with_match = 0;
  std::optional<std::string> hint;
  bool downstream_only = false;

  bool takes(const spire::api::types::Entry& entry) const;
};

struct EntryPage {
  std::vector<EntryPtr> entries;
  std::string next_token;  // empty: that was all
};
// `size` 0: everything. The token is the id of the last entry given.
EntryPage list_entries(const EntryIndex& index, const EntryFilter& filter, int size, const std::string& token);

}  // namespace steeple::devserver
