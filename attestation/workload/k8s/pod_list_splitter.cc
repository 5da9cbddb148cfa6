#include "attestation/workload/k8s/pod_list_splitter.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <bit>
#include <utility>

#include "runtime/core/go_text.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::size_t kBlock = 64;
constexpr std::size_t kNotEnded = kBlock;
constexpr std::size_t kKeyBytesKept = 8;  // enough to tell "items" from others
constexpr int kDepthMax = 1024;

// Which of 64 bytes are what. Brackets count as braces: they nest alike.
struct Marks {
  std::uint64_t quote = 0, backslash = 0, open = 0, close = 0;
};

#if defined(__SSE2__)
Marks marks_of(const char* block) {
  Marks marks;
  const __m128i quote = _mm_set1_epi8('"');
  const __m128i backslash = _mm_set1_epi8('\\');
  const __m128i case_bit = _mm_set1_epi8(0x20);  // turns brackets into braces
  const __m128i open = _mm_set1_epi8('{');
  const __m128i close = _mm_set1_epi8('}');
  for (std::size_t at = 0; at < kBlock; at += 16) {
    const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(block + at));
    const __m128i folded = _mm_or_si128(bytes, case_bit);
    const auto bits = [at](__m128i equal) {
      return static_cast<std::uint64_t>(static_cast<std::uint32_t>(_mm_movemask_epi8(equal))) << at;
    };
    marks.quote |= bits(_mm_cmpeq_epi8(bytes, quote));
    marks.backslash |= bits(_mm_cmpeq_epi8(bytes, backslash));
    marks.open |= bits(_mm_cmpeq_epi8(folded, open));
    marks.close |= bits(_mm_cmpeq_epi8(folded, close));
  }
  return marks;
}
#else
Marks marks_of(const char* block) {
  Marks marks;
  for (std::size_t at = 0; at < kBlock; ++at) {
    const std::uint64_t bit = std::uint64_t{1} << at;
    if (block[at] == '"') marks.quote |= bit;
    if (block[at] == '\\') marks.backslash |= bit;
    if (block[at] == '{' || block[at] == '[') marks.open |= bit;
    if (block[at] == '}' || block[at] == ']') marks.close |= bit;
  }
  return marks;
}
#endif

// The bytes that a backslash before them makes ordinary. `carry`: the first byte of this block, then of the next, is.
std::uint64_t escaped_bytes(std::uint64_t backslash, bool& carry) {
  std::uint64_t escaped = carry ? 1 : 0;
  backslash &= ~escaped;
  carry = false;
  while (backslash != 0) {
    const int start = std::countr_zero(backslash);
    const int length = std::countr_one(backslash >> start);
    // In a run of backslashes every second one is escaped, and so is what follows an odd run.
    for (int at = start + 1; at <= start + length; at += 2) {
      if (at == static_cast<int>(kBlock)) {
        carry = true;
      } else {
        escaped |= std::uint64_t{1} << at;
      }
    }
    if (start + length >= static_cast<int>(kBlock)) break;
    backslash &= ~std::uint64_t{0} << (start + length);
  }
  return escaped;
}

// Bit n is set when an odd number of bits up to n are.
std::uint64_t running_parity(std::uint64_t bits) {
  for (int shift = 1; shift < 64; shift *= 2) bits ^= bits << shift;
  return bits;
}

Error parse_error(std::string_view why) {
  return Error(ErrorCode::kMalformed, "unable to parse kubelet response: " + std::string(why));
}

constexpr std::size_t kTailShown = 80;  // of what could not be read, both ends

std::string shown(std::string_view tail) {
  if (tail.size() <= kTailShown) return runtime::go_quote(tail);
  return runtime::go_quote(
      fmt::format("{}...{}", tail.substr(0, kTailShown / 2), tail.substr(tail.size() - kTailShown / 2)));
}

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

}  // namespace

void PodListSplitter::reset() {
  state_ = State::kStart;
  depth_ = 0;
  in_string_ = escaped_ = key_done_ = items_seen_ = too_large_ = false;
  text_.clear();
  pod_.clear();
  around_.clear();
  oversized_ = 0;
}

Result<void> PodListSplitter::feed(std::string_view piece) {
  while (!piece.empty()) {
    std::size_t used = 1;
    if (state_ == State::kPod) {
      used = scan_pod(piece);
    } else {
      STEEPLE_CHECK(take(piece));
    }
    piece.remove_prefix(used);
  }
  return {};
}

Result<void> PodListSplitter::finish() {
  if (state_ == State::kStart) return parse_error("cannot parse JSON: cannot parse empty string; unparsed tail: \"\"");
  if (state_ != State::kEnd) return parse_error("unexpected end of JSON input");
  simdjson::dom::parser parser;
  simdjson::dom::element ignored;
  if (const auto error = parser.parse(around_).get(ignored)) {
    return parse_error(std::string("cannot parse JSON: ") + simdjson::error_message(error));
  }
  if (!items_seen_) return Error(ErrorCode::kMalformed, "invalid kubelet response: expected an items array");
  return {};
}

// The first byte of the piece, which belongs to no pod.
Result<void> PodListSplitter::take(std::string_view piece) {
  const char c = piece.front();
  if (around_.size() == kAroundBytesMax) return parse_error("too much beside the pods");
  if (state_ == State::kEnd) {
    if (is_space(c)) return {};
    return parse_error("unexpected tail: " + shown(piece));
  }
  if (state_ == State::kStart && is_space(c)) return {};
  if (state_ != State::kItems || c == ',' || c == ']') around_ += c;
  if (state_ == State::kStart) return begin(piece);
  if (state_ == State::kTop) return take_top(c);
  if (state_ == State::kScalar) {
    take_scalar(c);
  } else if (!is_space(c)) {
    take_item(c);
  }
  return {};
}

Result<void> PodListSplitter::begin(std::string_view piece) {
  const char c = piece.front();
  if (c == '[' || c == '"' || c == 'n' || c == 't' || c == 'f' || c == '-' || (c >= '0' && c <= '9'))
    return Error(ErrorCode::kMalformed, "invalid kubelet response: expected an object");
  if (c != '{') {
    return parse_error(fmt::format("cannot parse JSON: cannot parse number: unexpected char: {}; unparsed tail: {}",
                                   shown(piece.substr(0, 1)), shown(piece)));
  }
  state_ = State::kTop;
  depth_ = 1;
  return {};
}

// A byte between the pods.
void PodListSplitter::take_item(char c) {
  if (c == ',') return;
  if (c == ']') {
    state_ = State::kTop;
    depth_ = 1;
    return;
  }
  if (c == '{' || c == '[') {
    state_ = State::kPod;
    depth_ = 1;
    too_large_ = false;
    pod_.assign(1, c);
    around_ += "{}";
    return;
  }
  around_ += c;
  state_ = State::kScalar;
  in_string_ = c == '"';
}

// An item that is neither object nor array is no pod, whatever it is.
void PodListSplitter::take_scalar(char c) {
  if (in_string_) {
    take_string(c);
    return;
  }
  if (c != ',' && c != ']') return;
  too_large_ = false;
  pod_.assign("null");
  end_pod();
  take_item(c);
}

void PodListSplitter::take_string(char c) {
  if (escaped_) {
    escaped_ = false;
  } else if (c == '\\') {
    escaped_ = true;
  } else if (c == '"') {
    in_string_ = false;
    return;
  }
  if (depth_ == 1 && text_.size() < kKeyBytesKept) text_ += c;
}

// The value of the key in text_.
Result<void> PodListSplitter::begin_value(char c) {
  key_done_ = false;
  if (text_ != "items" || depth_ != 1 || items_seen_) return {};
  if (c != '[' && c != 'n') return Error(ErrorCode::kMalformed, "invalid kubelet response: expected an items array");
  items_seen_ = true;
  if (c == '[') state_ = State::kItems;
  return {};
}

Result<void> PodListSplitter::take_top(char c) {
  if (in_string_) {
    take_string(c);
    return {};
  }
  if (is_space(c)) return {};
  if (key_done_) {
    STEEPLE_CHECK(begin_value(c));
    if (state_ == State::kItems) return {};
  }
  if (c == '"') {
    in_string_ = true;
    text_.clear();
  } else if (c == ':' && depth_ == 1) {
    key_done_ = true;
  } else if (c == '{' || c == '[') {
    if (++depth_ > kDepthMax) return parse_error("too deep");
  } else if (c == '}' || c == ']') {
    if (--depth_ == 0) state_ = State::kEnd;
  }
  return {};
}

void PodListSplitter::keep(std::string_view bytes) {
  if (too_large_) return;
  if (bytes.size() > kPodBytesMax - pod_.size()) {
    too_large_ = true;
    ++oversized_;
    pod_.clear();
    return;
  }
  pod_.append(bytes);
}

void PodListSplitter::end_pod() {
  state_ = State::kItems;
  if (too_large_) return;
  pod_.append(kJsonPadding, ' ');
  on_pod_(std::string_view(pod_).substr(0, pod_.size() - kJsonPadding));
}

// Takes what belongs to the pod, at most the piece, and says how much that was.
std::size_t PodListSplitter::scan_pod(std::string_view piece) {
  std::size_t at = 0;
  bool ended = false;
  while (!ended && piece.size() - at >= kBlock) {
    const std::size_t end = scan_block(piece.data() + at);
    ended = end != kNotEnded;
    at += ended ? end + 1 : kBlock;
  }
  while (!ended && at < piece.size()) ended = scan_byte(piece[at++]);
  keep(piece.substr(0, at));
  if (ended) end_pod();
  return at;
}

std::size_t PodListSplitter::scan_block(const char* block) {
  const Marks marks = marks_of(block);
  const std::uint64_t quotes = marks.quote & ~escaped_bytes(marks.backslash, escaped_);
  const std::uint64_t strings = running_parity(quotes) ^ (in_string_ ? ~std::uint64_t{0} : 0);
  in_string_ = strings >> 63 != 0;
  const std::uint64_t open = marks.open & ~strings;
  std::uint64_t close = marks.close & ~strings;
  const int closed = std::popcount(close);
  if (closed < depth_) {
    depth_ += std::popcount(open) - closed;
    return kNotEnded;
  }
  int done = 0;
  for (; close != 0; close &= close - 1) {
    const int at = std::countr_zero(close);
    const int opened = std::popcount(open & ((std::uint64_t{1} << at) - 1));
    if (depth_ + opened - ++done == 0) {
      in_string_ = escaped_ = false;
      return static_cast<std::size_t>(at);
    }
  }
  depth_ += std::popcount(open) - closed;
  return kNotEnded;
}

// As a block does it, also where a backslash is no JSON: it makes a quote after it ordinary, nothing else.
bool PodListSplitter::scan_byte(char c) {
  const bool escaped = std::exchange(escaped_, false);
  if (c == '\\') {
    escaped_ = !escaped;
  } else if (c == '"') {
    in_string_ = in_string_ != !escaped;
  } else if (!in_string_ && (c == '{' || c == '[')) {
    ++depth_;
  } else if (!in_string_ && (c == '}' || c == ']')) {
    return --depth_ == 0;
  }
  return false;
}

}  // namespace steeple::attestation
