#include "runtime/tls/der_reader.h"

namespace steeple::runtime::der {

std::optional<Reader::Element> Reader::next() const {
  if (rest_.size() < 2 || (rest_[0] & 0x1f) == 0x1f) return std::nullopt;
  std::size_t octets = 0;
  std::size_t length = rest_[1];
  if (length & 0x80) {
    octets = length & 0x7f;
    if (octets == 0 || octets > 4 || rest_.size() < 2 + octets || rest_[2] == 0) return std::nullopt;
    length = 0;
    for (std::size_t i = 0; i < octets; ++i) length = length << 8 | rest_[2 + i];
    if (length < 0x80) return std::nullopt;
  }
  if (length > rest_.size() - 2 - octets) return std::nullopt;
  return Element{2 + octets, 2 + octets + length};
}

std::optional<BytesView> Reader::take_whole(std::uint8_t tag) {
  if (!next_is(tag)) return std::nullopt;
  const std::optional<Element> element = next();
  if (!element) return std::nullopt;
  const BytesView whole = rest_.first(element->size);
  rest_ = rest_.subspan(element->size);
  return whole;
}

std::optional<BytesView> Reader::take_any() {
  const std::optional<Element> element = next();
  if (!element) return std::nullopt;
  const BytesView contents = rest_.subspan(element->header, element->size - element->header);
  rest_ = rest_.subspan(element->size);
  return contents;
}

std::optional<BytesView> Reader::take(std::uint8_t tag) { return next_is(tag) ? take_any() : std::nullopt; }

bool is_oid(BytesView contents) {
  if (contents.empty() || (contents.back() & 0x80)) return false;
  bool first = true;
  for (const std::uint8_t byte : contents) {
    if (first && byte == 0x80) return false;
    first = (byte & 0x80) == 0;
  }
  return true;
}

}  // namespace steeple::runtime::der
