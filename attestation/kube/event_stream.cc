#include "attestation/kube/event_stream.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Result<void> KubeEventStream::feed(std::string_view piece) {
  for (char c : piece) STEEPLE_CHECK(take(c));
  return {};
}

// Looks at quotes and braces only; what lies between them is the parser's.
Result<void> KubeEventStream::take(char c) {
  if (depth_ == 0) {
    if (c == ' ' || c == '\n' || c == '\r' || c == '\t') return {};
    if (c != '{') return Error(ErrorCode::kMalformed, "malformed answer of the API server: an event is no object");
  }
  if (object_.size() == kKubeEventBytesMax) return Error(ErrorCode::kLimit, "an event of the API server is too large");
  object_ += c;
  if (in_string_) {
    if (escaped_) {
      escaped_ = false;
    } else if (c == '\\') {
      escaped_ = true;
    } else if (c == '"') {
      in_string_ = false;
    }
    return {};
  }
  if (c == '"') in_string_ = true;
  if (c == '{') ++depth_;
  if (c != '}' || --depth_ != 0) return {};
  Result<KubeEvent> event = parse_event(object_);
  object_.clear();
  if (!event) return std::move(event.error());
  on_event_(std::move(*event));
  return {};
}

}  // namespace steeple::attestation
