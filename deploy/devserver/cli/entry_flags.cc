#include "deploy/devserver/cli/entry_flags.h"

#include <fmt/format.h>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/entry_text.h"
#include "runtime/core/go_text.h"
#include "spire/api/server/entry/v1/entry.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::entry::v1;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Entry;
using spire::api::types::FederatesWithMatch;
using spire::api::types::SelectorMatch;

constexpr std::string_view kSelectorHelp = "A colon-delimited type:value selector. Can be used more than once";
constexpr std::string_view kDownstreamHelp =
    "A boolean value that, when set, indicates that the entry describes a downstream SPIRE server";

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

void add_switches(EntryFlags& values, agent::FlagSet& flags) {
  if (values.verb == EntryVerb::kCreate) {
    flags.add("node", values.node, "If set, this entry will be applied to matching nodes rather than workloads");
  }
  flags.add("admin", values.admin,
            "If set, the SPIFFE ID in this entry will be granted access to the SPIRE Server's management APIs");
  flags.add("storeSVID", values.store_svid,
            "A boolean value that, when set, indicates that the resulting issued SVID from this entry must be stored "
            "through an SVIDStore plugin");
  flags.add("downstream", values.downstream, kDownstreamHelp);
  flags.add("disableX509SVIDPrefetch", values.disable_prefetch,
            "A boolean value that, when set, disables prefetching X509 SVID for this entry");
  flags.add("jwtSVIDIncludeJTI", values.include_jti,
            "A boolean value that, when set, includes a unique 'jti' claim in JWT-SVIDs issued for this entry and "
            "bypasses the agent JWT-SVID cache");
}

}  // namespace

void EntryFlags::add_to(agent::FlagSet& flags) {
  flags.add("entryID", entry_id,
            verb == EntryVerb::kCreate
                ? "A custom ID for this registration entry (optional). If not set, a new entry ID will be generated"
                : "The Registration Entry ID of the record to update");
  flags.add("parentID", parent_id, "The SPIFFE ID of this record's parent");
  flags.add("spiffeID", spiffe_id, "The SPIFFE ID that this record represents");
  flags.add("x509SVIDTTL", x509_svid_ttl,
            "The lifetime, in seconds, for x509-SVIDs issued based on this registration entry.");
  flags.add("jwtSVIDTTL", jwt_svid_ttl,
            "The lifetime, in seconds, for JWT-SVIDs issued based on this registration entry.");
  flags.add("data", data,
            "Path to a file containing registration JSON (optional). If set to '-', read the JSON from stdin.");
  add_list_flag(flags, "selector", selectors, kSelectorHelp);
  add_list_flag(flags, "federatesWith", federates_with,
                "SPIFFE ID of a trust domain to federate with. Can be used more than once");
  flags.add("entryExpiry", expiry,
            "An expiry, from epoch in seconds, for the resulting registration entry to be pruned");
  add_list_flag(flags, "dns", dns_names,
                "A DNS name that will be included in SVIDs issued based on this entry, where appropriate. Can be used "
                "more than once");
  flags.add("hint", hint, "The entry hint, used to disambiguate entries with the same SPIFFE ID");
  add_switches(*this, flags);
}

Result<void> EntryFlags::check() const {
  if (!data.empty()) return {};
  bool create = verb == EntryVerb::kCreate;
  if (!create && entry_id.empty()) return invalid("entry ID is required");
  if (selectors.empty()) return invalid("at least one selector is required");
  if (node && !federates_with.empty()) return invalid("node entries can not federate");
  if (create && parent_id.empty() && !node) return invalid("a parent ID is required if the node flag is not set");
  if (!create && parent_id.empty()) return invalid("a parent ID is required");
  if (spiffe_id.empty()) return invalid("a SPIFFE ID is required");
  if (x509_svid_ttl < 0) return invalid("a positive x509-SVID TTL is required");
  if (jwt_svid_ttl < 0) return invalid("a positive JWT-SVID TTL is required");
  return {};
}

// The one named first in SPIRE's own order is the one whose error is seen.
Result<void> EntryFlags::set_ids(Entry& entry) const {
  if (verb == EntryVerb::kUpdate) STEEPLE_CHECK(parse_id(parent_id, *entry.mutable_parent_id()));
  STEEPLE_CHECK(parse_id(spiffe_id, *entry.mutable_spiffe_id()));
  if (verb == EntryVerb::kUpdate) return {};
  if (!node) return parse_id(parent_id, *entry.mutable_parent_id());
  entry.mutable_parent_id()->set_trust_domain(entry.spiffe_id().trust_domain());
  entry.mutable_parent_id()->set_path("/spire/server");
  return {};
}

Result<Entry> EntryFlags::entry() const {
  Entry entry;
  entry.set_id(entry_id);
  STEEPLE_CHECK(set_ids(entry));
  STEEPLE_TRY(x509_ttl, narrow(x509_svid_ttl, "X509 SVID TTL"));
  STEEPLE_TRY(jwt_ttl, narrow(jwt_svid_ttl, "JWT SVID TTL"));
  entry.set_x509_svid_ttl(x509_ttl);
  entry.set_jwt_svid_ttl(jwt_ttl);
  for (const std::string& selector : selectors) STEEPLE_CHECK(parse_selector(selector, *entry.add_selectors()));
  for (const std::string& name : federates_with) entry.add_federates_with(name);
  for (const std::string& name : dns_names) entry.add_dns_names(name);
  entry.set_admin(admin);
  entry.set_store_svid(store_svid);
  entry.set_downstream(downstream);
  entry.set_expires_at(expiry);
  entry.set_hint(hint);
  if (disable_prefetch || include_jti) {
    entry.mutable_additional_attributes()->set_disable_x509_svid_prefetch(disable_prefetch);
    entry.mutable_additional_attributes()->set_jwt_svid_include_jti(include_jti);
  }
  return entry;
}

void EntryFilterFlags::add_to(agent::FlagSet& flags, const std::string& verb) {
  flags.add("parentID", parent_id, "The Parent ID of the records to " + verb);
  flags.add("spiffeID", spiffe_id, "The SPIFFE ID of the records to " + verb);
  flags.add("downstream", downstream, kDownstreamHelp);
  add_list_flag(flags, "selector", selectors, kSelectorHelp);
  add_list_flag(flags, "federatesWith", federates_with,
                "SPIFFE ID of a trust domain an entry is federate with. Can be used more than once");
  flags.add("matchFederatesWithOn", match_federates_with,
            "The match mode used when filtering by federates with. Options: exact, any, superset and subset");
  flags.add("matchSelectorsOn", match_selectors,
            "The match mode used when filtering by selectors. Options: exact, any, superset and subset");
  flags.add("hint", hint, fmt::format("The Hint of the records to {} (optional)", verb));
}

template <class Filter>
Result<void> EntryFilterFlags::fill(Filter& filter) const {
  if (!parent_id.empty()) {
    STEEPLE_CHECK(runtime::with_context(parse_id(parent_id, *filter.mutable_by_parent_id()),
                                        fmt::format("error parsing parent ID {}", runtime::go_quote(parent_id))));
  }
  if (!spiffe_id.empty()) {
    STEEPLE_CHECK(runtime::with_context(parse_id(spiffe_id, *filter.mutable_by_spiffe_id()),
                                        fmt::format("error parsing SPIFFE ID {}", runtime::go_quote(spiffe_id))));
  }
  if (!selectors.empty()) {
    STEEPLE_TRY(match, parse_match(match_selectors));
    filter.mutable_by_selectors()->set_match(static_cast<SelectorMatch::MatchBehavior>(match));
    for (const std::string& selector : selectors) {
      STEEPLE_CHECK(runtime::with_context(parse_selector(selector, *filter.mutable_by_selectors()->add_selectors()),
                                          "error parsing selectors"));
    }
  }
  if (!federates_with.empty()) {
    STEEPLE_TRY(match, parse_match(match_federates_with));
    filter.mutable_by_federates_with()->set_match(static_cast<FederatesWithMatch::MatchBehavior>(match));
    for (const std::string& name : federates_with) filter.mutable_by_federates_with()->add_trust_domains(name);
  }
  if (!hint.empty()) filter.mutable_by_hint()->set_value(hint);
  filter.mutable_by_downstream()->set_value(downstream);
  return {};
}

template Result<void> EntryFilterFlags::fill(v1::ListEntriesRequest::Filter&) const;
template Result<void> EntryFilterFlags::fill(v1::CountEntriesRequest::Filter&) const;

}  // namespace steeple::devserver
