// entry create, update, show, delete, count.
#include <fmt/format.h>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/entry_json.h"
#include "deploy/devserver/cli/entry_text.h"
#include "deploy/devserver/cli/server_client.h"
#include "runtime/core/go_text.h"
#include "runtime/grpc/status.h"
#include "runtime/os/file.h"
#include "spire/api/server/entry/v1/entry.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::entry::v1;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Entry;

constexpr int kShowPageSize = 500;

#define STEEPLE_ENTRY_RPC(name) "/spire.api.server.entry.v1.Entry/" name

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

Result<std::string> read_data(const std::string& path, Terminal& terminal) {
  return path == "-" ? terminal.read_input() : runtime::read_file(path, kInputBytesMax);
}

// The flags of create and update.
struct EntryFlags {
  std::string entry_id;
  std::string parent_id;
  std::string spiffe_id;
  std::int64_t x509_svid_ttl = 0;
  std::int64_t jwt_svid_ttl = 0;
  std::string data;
  std::vector<std::string> selectors;
  std::vector<std::string> federates_with;
  bool node = false;
  bool admin = false;
  bool store_svid = false;
  bool downstream = false;
  std::int64_t expiry = 0;
  std::vector<std::string> dns_names;
  std::string hint;
  bool disable_prefetch = false;
  bool include_jti = false;

  void add_to(agent::FlagSet& flags, bool create);
  Result<void> check(bool create) const;
  Result<Entry> entry() const;
};

void EntryFlags::add_to(agent::FlagSet& flags, bool create) {
  flags.add("entryID", entry_id,
            create ? "A custom ID for this registration entry (optional). If not set, a new entry ID will be generated"
                   : "The Registration Entry ID of the record to update");
  flags.add("parentID", parent_id, "The SPIFFE ID of this record's parent");
  flags.add("spiffeID", spiffe_id, "The SPIFFE ID that this record represents");
  flags.add("x509SVIDTTL", x509_svid_ttl, "The lifetime, in seconds, of X509-SVIDs issued for this entry");
  flags.add("jwtSVIDTTL", jwt_svid_ttl, "The lifetime, in seconds, of JWT-SVIDs issued for this entry");
  flags.add("data", data, "Path to a file of registration JSON (optional); '-' is standard input");
  add_list_flag(flags, "selector", selectors, "A type:value selector. Can be used more than once");
  add_list_flag(flags, "federatesWith", federates_with, "A trust domain to federate with. Can be used more than once");
  if (create) flags.add("node", node, "Apply this entry to matching nodes rather than to workloads");
  flags.add("admin", admin, "Grant the SPIFFE ID access to the server's management APIs");
  flags.add("storeSVID", store_svid, "Store the SVID through an SVIDStore plugin");
  flags.add("downstream", downstream, "The entry describes a downstream SPIRE Server");
  flags.add("entryExpiry", expiry, "When the entry expires, in seconds since 1970");
  add_list_flag(flags, "dns", dns_names, "A DNS name for SVIDs of this entry. Can be used more than once");
  flags.add("hint", hint, "Tells workloads apart which of several SVIDs to use");
  flags.add("disableX509SVIDPrefetch", disable_prefetch, "Do not prefetch the X509-SVID of this entry");
  flags.add("jwtSVIDIncludeJTI", include_jti, "Give JWT-SVIDs of this entry a jti claim");
}

Result<void> EntryFlags::check(bool create) const {
  if (!data.empty()) return {};
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

Result<Entry> EntryFlags::entry() const {
  Entry entry;
  entry.set_id(entry_id);
  STEEPLE_CHECK(parse_id(spiffe_id, *entry.mutable_spiffe_id()));
  if (node) {
    entry.mutable_parent_id()->set_trust_domain(entry.spiffe_id().trust_domain());
    entry.mutable_parent_id()->set_path("/spire/server");
  } else {
    STEEPLE_CHECK(parse_id(parent_id, *entry.mutable_parent_id()));
  }
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

// Fills the request's entries from the flags or the file.
template <class Request>
Result<void> fill_entries(const EntryFlags& flags, bool create, Terminal& terminal, Request& request) {
  STEEPLE_CHECK(flags.check(create));
  if (flags.data.empty()) {
    STEEPLE_TRY(entry, flags.entry());
    *request.add_entries() = std::move(entry);
    return {};
  }
  STEEPLE_TRY(json, read_data(flags.data, terminal));
  STEEPLE_TRY(entries, parse_entries(json));
  for (Entry& entry : entries) *request.add_entries() = std::move(entry);
  return {};
}

// Prints what succeeded, then what failed with the entry as it was asked for.
template <class Request, class Response>
Result<void> print_results(const Request& request, const Response& response, std::string_view verb,
                           Terminal& terminal) {
  if (response.results_size() != request.entries_size()) {
    return Error(ErrorCode::kMalformed,
                 "the server's answer has another number of results than the request has entries");
  }
  bool failed = false;
  for (const auto& result : response.results()) {
    if (result.status().code() == 0) terminal.out(format_entry(result.entry()));
  }
  for (int i = 0; i < response.results_size(); ++i) {
    const auto& status = response.results(i).status();
    if (status.code() == 0) continue;
    failed = true;
    terminal.err(fmt::format("Failed to {} the following entry (code: {}, msg: {}):\n", verb,
                             runtime::grpc::to_string(static_cast<runtime::grpc::StatusCode>(status.code())),
                             runtime::go_quote(status.message())));
    terminal.err(format_entry(request.entries(i)));
  }
  if (failed) return Error(ErrorCode::kFailedPrecondition, fmt::format("failed to {} one or more entries", verb));
  return {};
}

// An update replaces the attributes as a whole: those that no flag names are kept as they are.
Result<void> keep_attributes(const std::string& socket, const EntryFlags& flags, Entry& entry) {
  v1::GetEntryRequest request;
  request.set_id(entry.id());
  STEEPLE_TRY(existing, runtime::with_context(call<Entry>(socket, STEEPLE_ENTRY_RPC("GetEntry"), request),
                                              "failed to fetch existing entry to merge additional attributes"));
  *entry.mutable_additional_attributes() = existing.additional_attributes();
  if (flags.disable_prefetch) entry.mutable_additional_attributes()->set_disable_x509_svid_prefetch(true);
  if (flags.include_jti) entry.mutable_additional_attributes()->set_jwt_svid_include_jti(true);
  return {};
}

struct ShowFlags {
  std::string entry_id;
  std::string parent_id;
  std::string spiffe_id;
  bool downstream = false;
  std::vector<std::string> selectors;
  std::vector<std::string> federates_with;
  std::string match_federates_with = "superset";
  std::string match_selectors = "superset";
  std::string hint;

  void add_to(agent::FlagSet& flags);
  template <class Filter>
  Result<void> fill(Filter& filter) const;
};

void ShowFlags::add_to(agent::FlagSet& flags) {
  flags.add("parentID", parent_id, "The Parent ID of the records to show");
  flags.add("spiffeID", spiffe_id, "The SPIFFE ID of the records to show");
  flags.add("downstream", downstream, "Only entries of downstream SPIRE Servers");
  add_list_flag(flags, "selector", selectors, "A type:value selector. Can be used more than once");
  add_list_flag(flags, "federatesWith", federates_with,
                "A trust domain an entry federates with. Can be used more than once");
  flags.add("matchFederatesWithOn", match_federates_with, "How -federatesWith matches: exact, any, superset or subset");
  flags.add("matchSelectorsOn", match_selectors, "How -selector matches: exact, any, superset or subset");
  flags.add("hint", hint, "The Hint of the records to show (optional)");
}

template <class Filter>
Result<void> ShowFlags::fill(Filter& filter) const {
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
    filter.mutable_by_selectors()->set_match(static_cast<spire::api::types::SelectorMatch::MatchBehavior>(match));
    for (const std::string& selector : selectors) {
      STEEPLE_CHECK(runtime::with_context(parse_selector(selector, *filter.mutable_by_selectors()->add_selectors()),
                                          "error parsing selectors"));
    }
  }
  if (!federates_with.empty()) {
    STEEPLE_TRY(match, parse_match(match_federates_with));
    filter.mutable_by_federates_with()->set_match(
        static_cast<spire::api::types::FederatesWithMatch::MatchBehavior>(match));
    for (const std::string& name : federates_with) filter.mutable_by_federates_with()->add_trust_domains(name);
  }
  if (!hint.empty()) filter.mutable_by_hint()->set_value(hint);
  filter.mutable_by_downstream()->set_value(downstream);
  return {};
}

Result<std::vector<Entry>> fetch_one(const std::string& socket, const std::string& entry_id) {
  v1::GetEntryRequest request;
  request.set_id(entry_id);
  STEEPLE_TRY(entry, runtime::with_context(call<Entry>(socket, STEEPLE_ENTRY_RPC("GetEntry"), request),
                                           fmt::format("error fetching entry ID {}", entry_id)));
  return std::vector<Entry>{std::move(entry)};
}

Result<std::vector<Entry>> fetch_entries(const std::string& socket, const ShowFlags& flags) {
  if (!flags.entry_id.empty()) return fetch_one(socket, flags.entry_id);
  std::vector<Entry> entries;
  v1::ListEntriesRequest request;
  request.set_page_size(kShowPageSize);
  STEEPLE_CHECK(flags.fill(*request.mutable_filter()));
  do {
    STEEPLE_TRY(page,
                runtime::with_context(call<v1::ListEntriesResponse>(socket, STEEPLE_ENTRY_RPC("ListEntries"), request),
                                      "error fetching entries"));
    entries.insert(entries.end(), page.entries().begin(), page.entries().end());
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return entries;
}

Result<void> print_deleted(const v1::BatchDeleteEntryResponse& response, Terminal& terminal) {
  int deleted = 0;
  for (const auto& result : response.results()) {
    if (result.status().code() != 0) continue;
    ++deleted;
    terminal.out(fmt::format("Deleted entry with ID: {}\n", result.id()));
  }
  int failed = response.results_size() - deleted;
  if (deleted > 0) terminal.out("\n\n");
  for (const auto& result : response.results()) {
    if (result.status().code() == 0) continue;
    terminal.err(fmt::format("Failed to delete entry with ID {} (code: {}, msg: {})\n", result.id(),
                             runtime::grpc::to_string(static_cast<runtime::grpc::StatusCode>(result.status().code())),
                             runtime::go_quote(result.status().message())));
  }
  if (failed == 0) {
    terminal.out(fmt::format("Deleted {} entries successfully", deleted));
    return {};
  }
  terminal.out("\n\n");
  terminal.out(deleted == 0
                   ? fmt::format("Failed to delete {} entries", failed)
                   : fmt::format("Deleted {} entries successfully, but failed to delete {} entries", deleted, failed));
  return Error(ErrorCode::kFailedPrecondition, "failed to delete one or more entries");
}

}  // namespace

int run_entry_create(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry create");
  EntryFlags flags;
  flags.add_to(command.flags(), true);
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    v1::BatchCreateEntryRequest request;
    STEEPLE_CHECK(fill_entries(flags, true, terminal, request));
    STEEPLE_TRY(response, call<v1::BatchCreateEntryResponse>(socket, STEEPLE_ENTRY_RPC("BatchCreateEntry"), request));
    return print_results(request, response, "create", terminal);
  });
}

int run_entry_update(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry update");
  EntryFlags flags;
  flags.add_to(command.flags(), false);
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    v1::BatchUpdateEntryRequest request;
    STEEPLE_CHECK(fill_entries(flags, false, terminal, request));
    if (flags.data.empty() && (flags.disable_prefetch || flags.include_jti)) {
      STEEPLE_CHECK(keep_attributes(socket, flags, *request.mutable_entries(0)));
    }
    STEEPLE_TRY(response, call<v1::BatchUpdateEntryResponse>(socket, STEEPLE_ENTRY_RPC("BatchUpdateEntry"), request));
    return print_results(request, response, "update", terminal);
  });
}

int run_entry_show(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry show");
  ShowFlags flags;
  command.flags().add("entryID", flags.entry_id, "The Entry ID of the records to show");
  flags.add_to(command.flags());
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    bool others = !flags.parent_id.empty() || !flags.spiffe_id.empty() || !flags.selectors.empty();
    if (!flags.entry_id.empty() && others) return invalid("the -entryID flag can't be combined with others");
    STEEPLE_TRY(entries, fetch_entries(socket, flags));
    sort_entries(entries);
    terminal.out(fmt::format("Found {} {}\n", entries.size(), entries.size() == 1 ? "entry" : "entries"));
    for (const Entry& entry : entries) terminal.out(format_entry(entry));
    return {};
  });
}

int run_entry_count(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry count");
  ShowFlags flags;
  flags.add_to(command.flags());
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    v1::CountEntriesRequest request;
    STEEPLE_CHECK(flags.fill(*request.mutable_filter()));
    STEEPLE_TRY(response, call<v1::CountEntriesResponse>(socket, STEEPLE_ENTRY_RPC("CountEntries"), request));
    terminal.out(fmt::format("{} registration {}\n", response.count(), response.count() == 1 ? "entry" : "entries"));
    return {};
  });
}

int run_entry_delete(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry delete");
  std::string entry_id;
  std::string file;
  command.flags().add("entryID", entry_id, "The Registration Entry ID of the record to delete.");
  command.flags().add("file", file, "Path to a JSON file of entry IDs (optional); '-' is standard input");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (file.empty() && entry_id.empty()) return invalid("an entry ID is required");
    v1::BatchDeleteEntryRequest request;
    if (file.empty()) {
      request.add_ids(entry_id);
    } else {
      STEEPLE_TRY(json, read_data(file, terminal));
      STEEPLE_TRY(ids, parse_entry_ids(json));
      for (std::string& id : ids) request.add_ids(std::move(id));
    }
    STEEPLE_TRY(response, call<v1::BatchDeleteEntryResponse>(socket, STEEPLE_ENTRY_RPC("BatchDeleteEntry"), request));
    return print_deleted(response, terminal);
  });
}

}  // namespace steeple::devserver
