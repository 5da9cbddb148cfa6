// Registration entries in memory: by id, by parent, by (parent, SPIFFE ID), and what an agent is authorised for
// (server-sync 7.6). Pure; written by EntryStore, read by the services. Entries are immutable and shared.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "attestation/selector/selector.h"

namespace spire::api::types {
class Entry;
class SPIFFEID;
}  // namespace spire::api::types

namespace steeple::devserver {

using EntryPtr = std::shared_ptr<const spire::api::types::Entry>;

std::string id_text(const spire::api::types::SPIFFEID& id);  // "spiffe://TRUST-DOMAIN/PATH"
attestation::Selectors selectors_of(const spire::api::types::Entry& entry);

class EntryIndex {
 public:
  void put(EntryPtr entry);  // adds, or replaces the one with its id
  void erase(const std::string& id);
  void clear();

  EntryPtr find(const std::string& id) const;  // null when there is none
  // The entry with this one's SPIFFE ID, parent and exact selectors, or null.
  EntryPtr similar(const spire::api::types::Entry& entry) const;
  const std::map<std::string, EntryPtr>& all() const { return by_id_; }
  std::size_t size() const { return by_id_.size(); }

  // Every entry below the agent's ID, and below each node alias that its selectors satisfy; expired ones left out,
  // sorted by id. An alias itself (its parent is the server's ID) is not among them.
  std::vector<EntryPtr> authorised(const std::string& agent_id, const attestation::Selectors& agent_selectors,
                                   std::int64_t now) const;
  bool any_of_id(const std::string& spiffe_id, bool (*wanted)(const spire::api::types::Entry&), std::int64_t now) const;

 private:
  using Ids = std::set<std::string>;
  void walk(const std::string& parent, std::int64_t now, Ids& visited, std::map<std::string, EntryPtr>& found) const;
  std::map<std::string, EntryPtr> by_id_;
  std::map<std::string, Ids> by_parent_;
  std::map<std::string, Ids> by_spiffe_id_;
  std::map<std::pair<std::string, std::string>, Ids> by_parent_and_spiffe_id_;
};

}  // namespace steeple::devserver
