#include "agent/server/entry_exchange.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/server/messages.h"
#include "spire/api/server/entry/v1/entry.pb.h"

namespace steeple::agent {
namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::server::entry::v1::GetAuthorizedEntriesRequest;
using spire::api::server::entry::v1::GetAuthorizedEntriesResponse;
using spire::api::server::entry::v1::SyncAuthorizedEntriesRequest;
using spire::api::server::entry::v1::SyncAuthorizedEntriesResponse;

Error nonsense(const char* text) { return Error(ErrorCode::kMalformed, text); }

}  // namespace

Bytes EntryExchange::first_request() {
  SyncAuthorizedEntriesRequest request;
  fill_entry_mask(*request.mutable_output_mask());
  return serialize(request);
}

Bytes EntryExchange::unary_request() {
  GetAuthorizedEntriesRequest request;
  fill_entry_mask(*request.mutable_output_mask());
  return serialize(request);
}

Result<void> EntryExchange::on_unary_response(BytesView message) {
  GetAuthorizedEntriesResponse response;
  STEEPLE_CHECK(parse(message, response));
  for (const auto& entry : response.entries()) take_entry(entry);
  return {};
}

Result<EntryExchange::Action> EntryExchange::on_response(BytesView message) {
  SyncAuthorizedEntriesResponse response;
  STEEPLE_CHECK(parse(message, response));
  const bool empty = response.entries().empty() && response.entry_revisions().empty();
  empty_pages_ = empty ? empty_pages_ + 1 : 0;
  if (empty_pages_ > kEmptyPagesMax) return Error(ErrorCode::kLimit, "too many empty pages of entries");
  switch (phase_) {
    case Phase::kFirst:
      page_size_ = static_cast<std::size_t>(response.entry_revisions_size());
      phase_ = Phase::kRevisions;
      if (page_size_ == 0) {
        for (const auto& entry : response.entries()) take_entry(entry);
        return Action::kDone;
      }
      STEEPLE_CHECK(take_revisions(response));
      break;
    case Phase::kRevisions:
      if (!response.entries().empty()) return nonsense("unexpected entry in response receiving entry revisions");
      STEEPLE_CHECK(take_revisions(response));
      break;
    case Phase::kEntries:
      if (!response.entry_revisions().empty()) {
        return nonsense("unexpected entry revisions in response while requesting entries");
      }
      for (const auto& entry : response.entries()) take_entry(entry);
      break;
  }
  return response.more() ? Action::kReceive : next_page();
}

template <class Response>
Result<void> EntryExchange::take_revisions(const Response& response) {
  for (const auto& revision : response.entry_revisions()) {
    if (revision.id().empty() || revision.revision_number() < 0) {
      log_.warning("Received malformed entry revision from SPIRE server; are the server and agent versions compatible?",
                   {{"entry_id", revision.id()}, {"revision_number", revision.revision_number()}});
      continue;
    }
    if (!update_.see_revision(revision.id(), revision.revision_number(), revision.created_at())) continue;
    if (needed_.size() == kAuthorizedEntriesMax) return Error(ErrorCode::kLimit, "too many authorized entries");
    needed_.push_back(revision.id());
  }
  return {};
}

EntryExchange::Action EntryExchange::next_page() {
  if (phase_ == Phase::kRevisions) std::sort(needed_.begin(), needed_.end());
  phase_ = Phase::kEntries;
  return asked_ == needed_.size() ? Action::kDone : Action::kSend;
}

Bytes EntryExchange::next_request() {
  SyncAuthorizedEntriesRequest request;
  const std::size_t end = std::min(asked_ + page_size_, needed_.size());
  while (asked_ < end) request.add_ids(std::move(needed_[asked_++]));
  return serialize(request);
}

void EntryExchange::take_entry(const spire::api::types::Entry& message) {
  Result<RegistrationEntry> entry = entry_from_proto(message);
  if (entry) {
    update_.put(std::move(*entry));
    return;
  }
  log_.warning(
      "Received malformed entry from SPIRE server; are the server and agent versions compatible?",
      {{"entry_id", message.id()},
       {"revision_number", message.revision_number()},
       {"spiffe_id", fmt::format("spiffe://{}{}", message.spiffe_id().trust_domain(), message.spiffe_id().path())},
       {"error", entry.error()}});
}

}  // namespace steeple::agent
