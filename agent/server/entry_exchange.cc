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
  is_listing_ = false;
  return {};
}

bool EntryExchange::goes_on_as_before(BytesView message) const {
  const std::vector<Bytes>& listing = entries_.listing();
  return phase_ == Phase::kFirst && known_pages_ < listing.size() && std::ranges::equal(listing[known_pages_], message);
}

// Pass after pass the server sends the same pages. The first that differs has those before it read after all.
Result<EntryExchange::Action> EntryExchange::on_response(BytesView message) {
  if (goes_on_as_before(message)) {
    ++known_pages_;
    return is_unchanged() ? Action::kDone : Action::kReceive;
  }
  for (std::size_t page = 0; page < known_pages_; ++page) STEEPLE_CHECK(take_response(entries_.listing()[page]));
  known_pages_ = 0;
  return take_response(message);
}

EntryDiff EntryExchange::commit() {
  if (is_unchanged()) return {};
  return is_listing_ ? update_.commit(std::move(pages_)) : update_.commit();
}

void EntryExchange::note_page(BytesView message) {
  page_bytes_ += message.size();
  if (page_bytes_ > kListingBytesMax) is_listing_ = false;
  if (is_listing_) pages_.push_back(runtime::to_bytes(message));
}

Result<EntryExchange::Action> EntryExchange::take_response(BytesView message) {
  note_page(message);
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
      is_listing_ = false;
      continue;
    }
    if (!update_.see_revision(revision.id(), revision.revision_number(), revision.created_at())) continue;
    if (needed_.size() == kAuthorizedEntriesMax) return Error(ErrorCode::kLimit, "too many authorized entries");
    needed_.push_back(revision.id());
    is_listing_ = false;
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
  is_listing_ = false;
  log_.warning(
      "Received malformed entry from SPIRE server; are the server and agent versions compatible?",
      {{"entry_id", message.id()},
       {"revision_number", message.revision_number()},
       {"spiffe_id", fmt::format("spiffe://{}{}", message.spiffe_id().trust_domain(), message.spiffe_id().path())},
       {"error", entry.error()}});
}

}  // namespace steeple::agent
