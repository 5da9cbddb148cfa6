#include "deploy/devserver/services/entry_query.h"

#include <algorithm>

#include "spire/api/types/entry.pb.h"
#include "spire/api/types/federateswith.pb.h"

namespace steeple::devserver {
namespace {

using spire::api::types::Entry;
using spire::api::types::FederatesWithMatch;

bool federates_match(const Entry& entry, const std::vector<std::string>& wanted, int behaviour) {
  std::vector<std::string> has(entry.federates_with().begin(), entry.federates_with().end());
  std::sort(has.begin(), has.end());
  auto is_wanted = [&](const std::string& name) { return std::binary_search(wanted.begin(), wanted.end(), name); };
  switch (behaviour) {
    case FederatesWithMatch::MATCH_EXACT:
      return has == wanted;
    case FederatesWithMatch::MATCH_SUBSET:
      return !has.empty() && std::all_of(has.begin(), has.end(), is_wanted);
    case FederatesWithMatch::MATCH_SUPERSET:
      return std::includes(has.begin(), has.end(), wanted.begin(), wanted.end());
    case FederatesWithMatch::MATCH_ANY:
      return std::any_of(has.begin(), has.end(), is_wanted);
    default:
      return false;
  }
}

}  // namespace

bool EntryFilter::takes(const Entry& entry) const {
  if (spiffe_id && id_text(entry.spiffe_id()) != *spiffe_id) return false;
  if (parent_id && id_text(entry.parent_id()) != *parent_id) return false;
  if (hint && entry.hint() != *hint) return false;
  if (downstream_only && !entry.downstream()) return false;
  if (selectors && !selectors_match(selectors_of(entry), *selectors, selector_match)) return false;
  return !federates_with || federates_match(entry, *federates_with, federates_with_match);
}

EntryPage list_entries(const EntryIndex& index, const EntryFilter& filter, int size, const std::string& token) {
  EntryPage page;
  auto next = token.empty() ? index.all().begin() : index.all().upper_bound(token);
  for (; next != index.all().end(); ++next) {
    if (!filter.takes(*next->second)) continue;
    if (size > 0 && page.entries.size() == static_cast<std::size_t>(size)) {
      page.next_token = page.entries.back()->id();
      break;
    }
    page.entries.push_back(next->second);
  }
  return page;
}

}  // namespace steeple::devserver
