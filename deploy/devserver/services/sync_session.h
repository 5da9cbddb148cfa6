// The server's side of one SyncAuthorizedEntries stream (server-sync 3.3), sans I/O: requests in, responses out. Works
// on the entries that were authorised when the stream began.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "deploy/devserver/datastore/entry_index.h"
#include "runtime/grpc/status.h"

namespace spire::api::server::entry::v1 {
class SyncAuthorizedEntriesRequest;
class SyncAuthorizedEntriesResponse;
}  // namespace spire::api::server::entry::v1
namespace spire::api::types {
class EntryMask;
}

namespace steeple::devserver {

inline constexpr std::size_t kSyncPageSize = 500;

class SyncSession {
 public:
  using Request = spire::api::server::entry::v1::SyncAuthorizedEntriesRequest;
  using Response = spire::api::server::entry::v1::SyncAuthorizedEntriesResponse;

  // `entries` sorted by id; page_size at least 1.
  SyncSession(std::vector<EntryPtr> entries, std::size_t page_size);
  ~SyncSession();

  // What to send for this request, in order. A status other than OK ends the stream.
  runtime::grpc::Status on_request(const Request& request, std::vector<Response>& responses);
  // True once everything was said: the server ends the stream.
  bool finished() const { return finished_; }

 private:
  runtime::grpc::Status begin(const Request& request, std::vector<Response>& responses);
  void send_revisions(std::vector<Response>& responses) const;
  void send_entries(const Request& request, std::vector<Response>& responses) const;
  std::vector<EntryPtr> entries_;
  std::size_t page_size_;
  std::unique_ptr<spire::api::types::EntryMask> mask_;  // of the first request; null: all
  bool begun_ = false;
  bool finished_ = false;
};

}  // namespace steeple::devserver
