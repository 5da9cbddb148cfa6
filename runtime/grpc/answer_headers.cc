#include "runtime/grpc/answer_headers.h"

#include <fmt/format.h>

#include "runtime/grpc/metadata.h"

namespace steeple::runtime::grpc {
namespace {

// Clients cap a header list at 8 or 16 KiB; nghttp2 refuses to send above 64.
constexpr std::size_t kEncodedMessageMax = 6 << 10;
constexpr std::size_t kDetailsMax = 6 << 10;

}  // namespace

void AnswerHeaders::add_head(int http_status, const std::string* content_type) {
  if (http_status == 200) {
    headers_.emplace_back(":status", "200", true);
  } else {
    http_status_ = std::to_string(http_status);
    headers_.emplace_back(":status", http_status_);
  }
  if (content_type == nullptr) {
    headers_.emplace_back("content-type", "application/grpc", true);
  } else {
    headers_.emplace_back("content-type", *content_type);
  }
}

void AnswerHeaders::add_status(const Status& status) {
  if (status.is_ok()) {
    headers_.emplace_back("grpc-status", "0", true);
    headers_.emplace_back("grpc-message", "", true);
    return;
  }
  code_ = std::to_string(static_cast<int>(status.code()));
  message_ = percent_encode(status.message());
  if (message_.size() > kEncodedMessageMax) {
    message_.resize(kEncodedMessageMax);
    std::size_t escape = message_.find('%', kEncodedMessageMax - 2);
    if (escape != std::string::npos) message_.resize(escape);  // no half of an escape
  }
  headers_.emplace_back("grpc-status", code_);
  headers_.emplace_back("grpc-message", message_);
  if (status.details().empty() || status.details().size() > kDetailsMax) return;
  details_ = base64_encode(as_bytes(status.details()), false);
  headers_.emplace_back("grpc-status-details-bin", details_);
}

}  // namespace steeple::runtime::grpc
