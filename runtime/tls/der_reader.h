// Reads DER (X.690) strictly: definite lengths in their shortest form, tags of one byte. Sans copies: what is given is
// a view of the input. For the sources of runtime/tls only.
#pragma once

#include <optional>

#include "runtime/core/bytes.h"
#include "runtime/tls/der.h"

namespace steeple::runtime::der {

class Reader {
 public:
  explicit Reader(BytesView bytes) : rest_(bytes) {}

  bool at_end() const { return rest_.empty(); }
  bool next_is(std::uint8_t tag) const { return !rest_.empty() && rest_.front() == tag; }
  // The contents of the next element, if it is a whole one of this tag; else nothing, and nothing is consumed.
  std::optional<BytesView> take(std::uint8_t tag);
  std::optional<BytesView> take_whole(std::uint8_t tag);  // with its header
  std::optional<BytesView> take_any();                    // contents, whatever the tag

 private:
  struct Element {
    std::size_t header = 0;
    std::size_t size = 0;  // with the header
  };
  std::optional<Element> next() const;
  BytesView rest_;
};

// An object identifier's contents: whole, shortest subidentifiers.
bool is_oid(BytesView contents);

}  // namespace steeple::runtime::der
