// The flags of `entry create|update` and `entry show|count`, and what they ask the server for: `spire-server`'s words,
// checks and texts (cmd/spire-server/cli/entry). Pure.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "agent/config/flags.h"
#include "runtime/core/result.h"

namespace spire::api::types {
class Entry;
}

namespace steeple::devserver {

enum class EntryVerb { kCreate, kUpdate };

struct EntryFlags {
  explicit EntryFlags(EntryVerb entry_verb) : verb(entry_verb) {}
  void add_to(agent::FlagSet& flags);
  runtime::Result<void> check() const;  // what needs no server; nothing when -data is given
  // kInvalidArgument with what is wrong with an ID, a selector or a TTL.
  runtime::Result<spire::api::types::Entry> entry() const;

  EntryVerb verb;
  std::string entry_id;
  std::string parent_id;
  std::string spiffe_id;
  std::int64_t x509_svid_ttl = 0;  // seconds
  std::int64_t jwt_svid_ttl = 0;
  std::string data;  // path of a JSON file, "-" standard input
  std::vector<std::string> selectors;
  std::vector<std::string> federates_with;
  bool node = false;
  bool admin = false;
  bool store_svid = false;
  bool downstream = false;
  std::int64_t expiry = 0;  // Unix seconds
  std::vector<std::string> dns_names;
  std::string hint;
  bool disable_prefetch = false;
  bool include_jti = false;

 private:
  runtime::Result<void> set_ids(spire::api::types::Entry& entry) const;
};

struct EntryFilterFlags {
  // `verb` is "show" or "count", as the help says it.
  void add_to(agent::FlagSet& flags, const std::string& verb);
  // Filter is ListEntriesRequest.Filter or CountEntriesRequest.Filter.
  template <class Filter>
  runtime::Result<void> fill(Filter& filter) const;

  std::string parent_id;
  std::string spiffe_id;
  bool downstream = false;
  std::vector<std::string> selectors;
  std::vector<std::string> federates_with;
  std::string match_federates_with = "superset";
  std::string match_selectors = "superset";
  std::string hint;
};

}  // namespace steeple::devserver
