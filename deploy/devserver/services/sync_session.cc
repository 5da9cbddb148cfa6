#include "deploy/devserver/services/sync_session.h"

#include <algorithm>

#include "deploy/devserver/services/rules.h"
#include "spire/api/server/entry/v1/entry.pb.h"

namespace steeple::devserver {

using runtime::grpc::Status;
using runtime::grpc::StatusCode;

SyncSession::SyncSession(std::vector<EntryPtr> entries, std::size_t page_size)
    : entries_(std::move(entries)), page_size_(page_size) {}

SyncSession::~SyncSession() = default;

Status SyncSession::on_request(const Request& request, std::vector<Response>& responses) {
  if (!begun_) return begin(request, responses);
  send_entries(request, responses);
  return Status::ok();
}

Status SyncSession::begin(const Request& request, std::vector<Response>& responses) {
  begun_ = true;
  if (!request.ids().empty()) {
    return Status(StatusCode::kInvalidArgument, "specifying IDs on initial request is not supported");
  }
  if (request.has_output_mask()) {
    if (!request.output_mask().revision_number()) {
      return Status(StatusCode::kInvalidArgument, "revision number cannot be masked");
    }
    mask_ = std::make_unique<spire::api::types::EntryMask>(request.output_mask());
  }
  if (entries_.size() > page_size_) {
    send_revisions(responses);
    return Status::ok();
  }
  Response& response = responses.emplace_back();
  for (const EntryPtr& entry : entries_) {
    *response.add_entries() = *entry;
    apply_mask(*response.mutable_entries(response.entries_size() - 1), mask_.get());
  }
  finished_ = true;
  return Status::ok();
}

void SyncSession::send_revisions(std::vector<Response>& responses) const {
  for (std::size_t first = 0; first < entries_.size(); first += page_size_) {
    Response& response = responses.emplace_back();
    std::size_t end = std::min(first + page_size_, entries_.size());
    for (std::size_t i = first; i < end; ++i) {
      auto* revision = response.add_entry_revisions();
      revision->set_id(entries_[i]->id());
      revision->set_revision_number(entries_[i]->revision_number());
      revision->set_created_at(entries_[i]->created_at());
    }
    response.set_more(end < entries_.size());
  }
}

void SyncSession::send_entries(const Request& request, std::vector<Response>& responses) const {
  std::vector<std::string> ids(request.ids().begin(), request.ids().end());
  std::sort(ids.begin(), ids.end());
  ids.erase(std::unique(ids.begin(), ids.end()), ids.end());
  responses.emplace_back();
  auto from = entries_.begin();
  for (const std::string& id : ids) {
    from = std::lower_bound(from, entries_.end(), id,
                            [](const EntryPtr& entry, const std::string& wanted) { return entry->id() < wanted; });
    if (from == entries_.end()) break;
    if ((*from)->id() != id) continue;
    if (responses.back().entries_size() == static_cast<int>(page_size_)) {
      responses.back().set_more(true);
      responses.emplace_back();
    }
    auto* entry = responses.back().add_entries();
    *entry = **from;
    apply_mask(*entry, mask_.get());
  }
}

}  // namespace steeple::devserver
