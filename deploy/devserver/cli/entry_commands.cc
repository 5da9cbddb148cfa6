// entry create, update, show, delete, count.
#include <fmt/format.h>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/entry_flags.h"
#include "deploy/devserver/cli/entry_json.h"
#include "deploy/devserver/cli/entry_results.h"
#include "deploy/devserver/cli/entry_text.h"
#include "deploy/devserver/cli/server_client.h"
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

// Fills the request's entries from the flags or the file.
template <class Request>
Result<void> fill_entries(const EntryFlags& flags, Terminal& terminal, Request& request) {
  STEEPLE_CHECK(flags.check());
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

Result<std::vector<Entry>> fetch_one(const std::string& socket, const std::string& entry_id) {
  v1::GetEntryRequest request;
  request.set_id(entry_id);
  STEEPLE_TRY(entry, runtime::with_context(call<Entry>(socket, STEEPLE_ENTRY_RPC("GetEntry"), request),
                                           fmt::format("error fetching entry ID {}", entry_id)));
  return std::vector<Entry>{std::move(entry)};
}

Result<std::vector<Entry>> fetch_entries(const std::string& socket, const EntryFilterFlags& flags) {
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

}  // namespace

int run_entry_create(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry create", Outputs::kPrettyAndJson);
  EntryFlags flags(EntryVerb::kCreate);
  flags.add_to(command.flags());
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    v1::BatchCreateEntryRequest request;
    STEEPLE_CHECK(fill_entries(flags, terminal, request));
    STEEPLE_TRY(response, call<v1::BatchCreateEntryResponse>(socket, STEEPLE_ENTRY_RPC("BatchCreateEntry"), request));
    return print_created(request, response, command.json(), terminal);
  });
}

int run_entry_update(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry update", Outputs::kPrettyAndJson);
  EntryFlags flags(EntryVerb::kUpdate);
  flags.add_to(command.flags());
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    v1::BatchUpdateEntryRequest request;
    STEEPLE_CHECK(fill_entries(flags, terminal, request));
    if (flags.data.empty() && (flags.disable_prefetch || flags.include_jti)) {
      STEEPLE_CHECK(keep_attributes(socket, flags, *request.mutable_entries(0)));
    }
    STEEPLE_TRY(response, call<v1::BatchUpdateEntryResponse>(socket, STEEPLE_ENTRY_RPC("BatchUpdateEntry"), request));
    return print_updated(request, response, command.json(), terminal);
  });
}

int run_entry_show(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry show", Outputs::kPrettyAndJson);
  EntryFilterFlags flags;
  std::string entry_id;
  command.flags().add("entryID", entry_id, "The Entry ID of the records to show");
  flags.add_to(command.flags(), "show");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    bool others = !flags.parent_id.empty() || !flags.spiffe_id.empty() || !flags.selectors.empty();
    if (!entry_id.empty() && others) return invalid("the -entryID flag can't be combined with others");
    STEEPLE_TRY(entries, entry_id.empty() ? fetch_entries(socket, flags) : fetch_one(socket, entry_id));
    sort_entries(entries);
    print_found(entries, command.json(), terminal);
    return {};
  });
}

int run_entry_count(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry count", Outputs::kPrettyAndJson);
  EntryFilterFlags flags;
  flags.add_to(command.flags(), "count");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    v1::CountEntriesRequest request;
    STEEPLE_CHECK(flags.fill(*request.mutable_filter()));
    STEEPLE_TRY(response, call<v1::CountEntriesResponse>(socket, STEEPLE_ENTRY_RPC("CountEntries"), request));
    print_count(response.count(), command.json(), terminal);
    return {};
  });
}

int run_entry_delete(const Words& arguments, Terminal& terminal) {
  ClientCommand command("entry delete", Outputs::kPrettyAndJson);
  std::string entry_id;
  std::string file;
  command.flags().add("entryID", entry_id, "The Registration Entry ID of the record to delete.");
  command.flags().add("file", file,
                      "Path to a file containing a JSON structure for batch deletion (optional). If set to '-', read "
                      "from stdin.");
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
    return print_deleted(response, command.json(), terminal);
  });
}

}  // namespace steeple::devserver
