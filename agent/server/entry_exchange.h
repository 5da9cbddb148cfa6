// The client's side of SyncAuthorizedEntries, and the reading of GetAuthorizedEntries' one answer
// (server-sync 3.3, 3.4). Sans I/O: messages in, the next action out. The set changes at commit(), so a broken exchange
// changes nothing. Malformed entries are logged and left out.
#pragma once

#include <string>
#include <vector>

#include "agent/entry/entry_diff.h"
#include "runtime/core/bytes.h"
#include "runtime/core/log.h"

namespace spire::api::types {
class Entry;
}

namespace steeple::agent {

inline constexpr std::size_t kAuthorizedEntriesMax = 1'000'000;
inline constexpr std::size_t kEmptyPagesMax = 1000;         // in a row
inline constexpr std::size_t kListingBytesMax = 16u << 20;  // of messages kept to know them again

class EntryExchange {
 public:
  enum class Action { kReceive, kSend, kDone };
  EntryExchange(EntrySet& entries, runtime::Logger log) : entries_(entries), update_(entries), log_(std::move(log)) {}

  static runtime::Bytes first_request();
  runtime::Result<Action> on_response(runtime::BytesView message);
  runtime::Bytes next_request();  // after kSend
  bool first_received() const { return phase_ != Phase::kFirst || known_pages_ != 0; }

  static runtime::Bytes unary_request();
  runtime::Result<void> on_unary_response(runtime::BytesView message);

  EntryDiff commit();

 private:
  enum class Phase { kFirst, kRevisions, kEntries };
  bool goes_on_as_before(runtime::BytesView message) const;
  bool is_unchanged() const { return known_pages_ != 0 && known_pages_ == entries_.listing().size(); }
  runtime::Result<Action> take_response(runtime::BytesView message);
  void note_page(runtime::BytesView message);
  template <class Response>
  runtime::Result<void> take_revisions(const Response& response);
  void take_entry(const spire::api::types::Entry& message);
  Action next_page();

  EntrySet& entries_;
  EntryUpdate update_;
  runtime::Logger log_;
  std::size_t known_pages_ = 0;  // those so far are the first of the last listing, and were not looked into
  std::vector<runtime::Bytes> pages_;
  std::size_t page_bytes_ = 0;
  bool is_listing_ = true;  // pages_ say all that there is to know, and hold nothing to warn of
  Phase phase_ = Phase::kFirst;
  std::size_t page_size_ = 0;
  std::size_t empty_pages_ = 0;
  std::vector<std::string> needed_;
  std::size_t asked_ = 0;
};

}  // namespace steeple::agent
