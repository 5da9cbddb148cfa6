// spire.api.server.entry.v1.Entry. A batch is one transaction, so that a thousand entries cost one sync to disk; each
// entry has its own result all the same. Texts: server-sync 8.7.
#include <fmt/format.h>

#include <algorithm>

#include "deploy/devserver/services/entry_query.h"
#include "deploy/devserver/services/messages.h"
#include "deploy/devserver/services/rules.h"
#include "spire/api/server/entry/v1/entry.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::entry::v1;
namespace types = spire::api::types;
using runtime::Error;
using runtime::Result;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

template <class Request>
const types::EntryMask* output_mask(const Request& request) {
  return request.has_output_mask() ? &request.output_mask() : nullptr;
}

types::Entry masked(const types::Entry& entry, const types::EntryMask* mask) {
  types::Entry copy = entry;
  apply_mask(copy, mask);
  return copy;
}

Status filter_error(std::string_view what, const Error& error) {
  return status_of(StatusCode::kInvalidArgument, fmt::format("malformed {} filter", what), &error);
}

Answer<std::vector<std::string>> parse_federates_with(const types::FederatesWithMatch& match) {
  std::vector<std::string> names;
  for (const std::string& text : match.trust_domains()) {
    auto name = agent::TrustDomain::parse(text);
    if (!name) return filter_error("federates with", name.error());
    names.push_back(name->name());
  }
  if (names.empty()) {
    return filter_error("federates with", Error(runtime::ErrorCode::kInvalidArgument, "empty trust domain set"));
  }
  std::sort(names.begin(), names.end());
  return names;
}

template <class Filter>
Answer<EntryFilter> parse_filter(const agent::TrustDomain& trust_domain, const Filter& filter) {
  EntryFilter parsed;
  // SPIRE takes an empty hint for no filter, and `downstream` false too.
  if (!filter.by_hint().value().empty()) parsed.hint = filter.by_hint().value();
  parsed.downstream_only = filter.by_downstream().value();
  if (filter.has_by_parent_id()) {
    auto id = id_in_role(trust_domain, &filter.by_parent_id(), IdRole::kMember);
    if (!id) return filter_error("parent ID", id.error());
    parsed.parent_id = id->text();
  }
  if (filter.has_by_spiffe_id()) {
    auto id = id_in_role(trust_domain, &filter.by_spiffe_id(), IdRole::kWorkload);
    if (!id) return filter_error("SPIFFE ID", id.error());
    parsed.spiffe_id = id->text();
  }
  if (filter.has_by_selectors()) {
    auto selectors = selectors_from(filter.by_selectors().selectors());
    if (selectors && selectors->empty()) selectors = Error(runtime::ErrorCode::kInvalidArgument, "empty selector set");
    if (!selectors) return filter_error("selectors", selectors.error());
    parsed.selectors = std::move(*selectors);
    parsed.selector_match = filter.by_selectors().match();
  }
  if (filter.has_by_federates_with()) {
    auto names = parse_federates_with(filter.by_federates_with());
    if (!names) return std::move(names.error());
    parsed.federates_with = std::move(*names);
    parsed.federates_with_match = filter.by_federates_with().match();
  }
  return parsed;
}

Answer<v1::CountEntriesResponse> count_entries(ServerContext& context, const Caller&,
                                               const v1::CountEntriesRequest& request) {
  auto filter = parse_filter(context.settings.trust_domain, request.filter());
  if (!filter) return std::move(filter.error());
  v1::CountEntriesResponse response;
  response.set_count(
      static_cast<int>(list_entries(context.datastore.entries().index(), *filter, 0, "").entries.size()));
  return response;
}

Answer<v1::ListEntriesResponse> list(ServerContext& context, const Caller&, const v1::ListEntriesRequest& request) {
  auto filter = parse_filter(context.settings.trust_domain, request.filter());
  if (!filter) return std::move(filter.error());
  EntryPage page =
      list_entries(context.datastore.entries().index(), *filter, request.page_size(), request.page_token());
  v1::ListEntriesResponse response;
  for (const EntryPtr& entry : page.entries) *response.add_entries() = masked(*entry, output_mask(request));
  response.set_next_page_token(page.next_token);
  return response;
}

Answer<types::Entry> get_entry(ServerContext& context, const Caller&, const v1::GetEntryRequest& request) {
  if (request.id().empty()) return Status(StatusCode::kInvalidArgument, "missing ID");
  EntryPtr entry = context.datastore.entries().index().find(request.id());
  if (entry == nullptr) return Status(StatusCode::kNotFound, "entry not found");
  return masked(*entry, output_mask(request));
}

Result<void> check_federation(ServerContext& context, const types::Entry& entry) {
  for (const std::string& name : entry.federates_with()) {
    bool known = name == context.settings.trust_domain.name() || context.datastore.bundles().find(name) != nullptr;
    if (!known) {
      return Error(runtime::ErrorCode::kInternal, fmt::format("unable to find federated bundle \"spiffe://{}\"", name));
    }
  }
  return {};
}

// Inside a write(). Fills `out`; a refusal of the entry is a status in it, a failure of the datastore is an error.
Result<void> create_entry(ServerContext& context, types::Entry entry, const types::EntryMask* mask,
                          v1::BatchCreateEntryResponse::Result& out) {
  auto refuse = [&](StatusCode code, std::string_view doing, const Error& error) {
    set_status(*out.mutable_status(), status_of(code, doing, &error));
    return Result<void>();
  };
  if (auto ok = check_entry(context.settings.trust_domain, entry, nullptr); !ok) {
    return refuse(StatusCode::kInvalidArgument, "failed to convert entry", ok.error());
  }
  if (auto ok = check_stored_entry(entry); !ok) {
    return refuse(StatusCode::kInvalidArgument, "failed to create entry", ok.error());
  }
  const EntryIndex& index = context.datastore.entries().index();
  if (EntryPtr existing = index.similar(entry)) {
    set_status(*out.mutable_status(), Status(StatusCode::kAlreadyExists, "similar entry already exists"));
    *out.mutable_entry() = masked(*existing, mask);
    return {};
  }
  if (index.find(entry.id()) != nullptr) {
    Error taken(runtime::ErrorCode::kAlreadyExists, "datastore-sql: entry ID is already in use");
    return refuse(StatusCode::kAlreadyExists, "failed to create entry", taken);
  }
  if (auto ok = check_federation(context, entry); !ok) {
    return refuse(StatusCode::kInternal, "failed to create entry", ok.error());
  }
  if (entry.id().empty()) entry.set_id(random_uuid());
  entry.set_revision_number(0);
  entry.set_created_at(context.now());
  auto stored = std::make_shared<types::Entry>(std::move(entry));
  STEEPLE_CHECK(context.datastore.entries().put(stored));
  set_status(*out.mutable_status(), Status::ok());
  *out.mutable_entry() = masked(*stored, mask);
  return {};
}

Result<void> update_entry(ServerContext& context, types::Entry change, const v1::BatchUpdateEntryRequest& request,
                          v1::BatchUpdateEntryResponse::Result& out) {
  const types::EntryMask* input_mask = request.has_input_mask() ? &request.input_mask() : nullptr;
  auto refuse = [&](StatusCode code, std::string_view doing, const Error& error) {
    set_status(*out.mutable_status(), status_of(code, doing, &error));
    return Result<void>();
  };
  if (auto ok = check_entry(context.settings.trust_domain, change, input_mask); !ok) {
    return refuse(StatusCode::kInvalidArgument, "failed to convert entry", ok.error());
  }
  EntryPtr known = context.datastore.entries().index().find(change.id());
  if (known == nullptr) {
    set_status(*out.mutable_status(), Status(StatusCode::kNotFound, "failed to update entry"));
    return {};
  }
  types::Entry merged = *known;
  merge_entry(merged, change, input_mask);
  if (auto ok = check_stored_entry(merged); !ok) {
    return refuse(StatusCode::kInvalidArgument, "failed to update entry", ok.error());
  }
  if (auto ok = check_federation(context, merged); !ok) {
    return refuse(StatusCode::kInternal, "failed to update entry", ok.error());
  }
  merged.set_revision_number(known->revision_number() + 1);
  auto stored = std::make_shared<types::Entry>(std::move(merged));
  STEEPLE_CHECK(context.datastore.entries().put(stored));
  set_status(*out.mutable_status(), Status::ok());
  *out.mutable_entry() = masked(*stored, output_mask(request));
  return {};
}

Result<void> delete_entry(ServerContext& context, const std::string& id, v1::BatchDeleteEntryResponse::Result& out) {
  out.set_id(id);
  Status status;
  if (id.empty()) {
    status = Status(StatusCode::kInvalidArgument, "missing entry ID");
  } else if (context.datastore.entries().index().find(id) == nullptr) {
    status = Status(StatusCode::kNotFound, "entry not found");
  } else {
    STEEPLE_CHECK(context.datastore.entries().erase(id));
  }
  set_status(*out.mutable_status(), status);
  return {};
}

Status too_many(int count) {
  return Status(StatusCode::kInvalidArgument,
                fmt::format("{} items in one request, at most {}", count, kBatchItemsMax));
}

Answer<v1::BatchCreateEntryResponse> batch_create(ServerContext& context, const Caller&,
                                                  const v1::BatchCreateEntryRequest& request) {
  if (request.entries_size() > kBatchItemsMax) return too_many(request.entries_size());
  v1::BatchCreateEntryResponse response;
  auto written = context.datastore.write([&]() -> Result<void> {
    for (const types::Entry& entry : request.entries()) {
      STEEPLE_CHECK(create_entry(context, entry, output_mask(request), *response.add_results()));
    }
    return {};
  });
  if (!written) return status_of(StatusCode::kInternal, "failed to create entries", &written.error());
  return response;
}

Answer<v1::BatchUpdateEntryResponse> batch_update(ServerContext& context, const Caller&,
                                                  const v1::BatchUpdateEntryRequest& request) {
  if (request.entries_size() > kBatchItemsMax) return too_many(request.entries_size());
  v1::BatchUpdateEntryResponse response;
  auto written = context.datastore.write([&]() -> Result<void> {
    for (const types::Entry& entry : request.entries()) {
      STEEPLE_CHECK(update_entry(context, entry, request, *response.add_results()));
    }
    return {};
  });
  if (!written) return status_of(StatusCode::kInternal, "failed to update entries", &written.error());
  return response;
}

Answer<v1::BatchDeleteEntryResponse> batch_delete(ServerContext& context, const Caller&,
                                                  const v1::BatchDeleteEntryRequest& request) {
  if (request.ids_size() > kBatchItemsMax) return too_many(request.ids_size());
  v1::BatchDeleteEntryResponse response;
  auto written = context.datastore.write([&]() -> Result<void> {
    for (const std::string& id : request.ids()) STEEPLE_CHECK(delete_entry(context, id, *response.add_results()));
    return {};
  });
  if (!written) return status_of(StatusCode::kInternal, "failed to delete entries", &written.error());
  return response;
}

std::vector<EntryPtr> authorised_entries(ServerContext& context, const Caller& caller) {
  const AgentRecord* agent = context.datastore.agents().find(caller.spiffe_id);
  if (agent == nullptr) return {};
  return context.datastore.entries().index().authorised(caller.spiffe_id, agent->selectors, context.now());
}

Answer<v1::GetAuthorizedEntriesResponse> get_authorized(ServerContext& context, const Caller& caller,
                                                        const v1::GetAuthorizedEntriesRequest& request) {
  v1::GetAuthorizedEntriesResponse response;
  for (const EntryPtr& entry : authorised_entries(context, caller)) {
    *response.add_entries() = masked(*entry, output_mask(request));
  }
  return response;
}

// One response of a page costs a few milliseconds at most; the stream's own flow control does the rest.
runtime::Task<Status> sync_authorized(ServerContext& context, ServerCall& call, const Caller& caller) {
  SyncSession session(authorised_entries(context, caller), context.settings.sync_page_size);
  while (!session.finished()) {
    auto received = co_await call.receive();
    if (!received) co_return runtime::grpc::to_status(received.error());
    if (!*received) co_return Status::ok();
    v1::SyncAuthorizedEntriesRequest request;
    if (!decode(request, **received)) co_return malformed_message();
    std::vector<v1::SyncAuthorizedEntriesResponse> responses;
    Status accepted = session.on_request(request, responses);
    if (!accepted.is_ok()) co_return accepted;
    for (const auto& response : responses) {
      Status sent = co_await send(call, encode(response));
      if (!sent.is_ok()) co_return sent;
    }
  }
  co_return Status::ok();
}

#define STEEPLE_ENTRY_RPC(name) "/spire.api.server.entry.v1.Entry/" name
constexpr Rpc kRpcs[] = {
    {STEEPLE_ENTRY_RPC("CountEntries"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::CountEntriesRequest, count_entries>},
    {STEEPLE_ENTRY_RPC("ListEntries"), MethodKind::kUnary, kLocal | kAdmin, &unary<v1::ListEntriesRequest, list>},
    {STEEPLE_ENTRY_RPC("GetEntry"), MethodKind::kUnary, kLocal | kAdmin, &unary<v1::GetEntryRequest, get_entry>},
    {STEEPLE_ENTRY_RPC("BatchCreateEntry"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::BatchCreateEntryRequest, batch_create>},
    {STEEPLE_ENTRY_RPC("BatchUpdateEntry"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::BatchUpdateEntryRequest, batch_update>},
    {STEEPLE_ENTRY_RPC("BatchDeleteEntry"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::BatchDeleteEntryRequest, batch_delete>},
    {STEEPLE_ENTRY_RPC("GetAuthorizedEntries"), MethodKind::kUnary, kAgent,
     &unary<v1::GetAuthorizedEntriesRequest, get_authorized>},
};
constexpr Rpc kSyncRpc = {STEEPLE_ENTRY_RPC("SyncAuthorizedEntries"), MethodKind::kBidirectional, kAgent,
                          &sync_authorized};

}  // namespace

void add_entry_service(RpcTable& table, const ServerSettings& settings) {
  table.add(kRpcs);
  if (!settings.faults.without_sync_authorized_entries) table.add(std::span(&kSyncRpc, 1));
}

}  // namespace steeple::devserver
