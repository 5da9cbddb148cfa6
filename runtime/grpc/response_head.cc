#include "runtime/grpc/response_head.h"

#include <fmt/format.h>

#include <charconv>

#include "runtime/core/go_text.h"
#include "runtime/grpc/metadata.h"

namespace steeple::runtime::grpc {
namespace {

struct HttpStatus {
  int number;
  std::string_view text;
  StatusCode code;
};
// What proxies and servers that are not gRPC's answer with. Others are Unknown.
constexpr HttpStatus kHttpStatuses[] = {
    {200, "OK", StatusCode::kUnknown},
    {204, "No Content", StatusCode::kUnknown},
    {301, "Moved Permanently", StatusCode::kUnknown},
    {302, "Found", StatusCode::kUnknown},
    {307, "Temporary Redirect", StatusCode::kUnknown},
    {308, "Permanent Redirect", StatusCode::kUnknown},
    {400, "Bad Request", StatusCode::kInternal},
    {401, "Unauthorized", StatusCode::kUnauthenticated},
    {403, "Forbidden", StatusCode::kPermissionDenied},
    {404, "Not Found", StatusCode::kUnimplemented},
    {405, "Method Not Allowed", StatusCode::kUnknown},
    {408, "Request Timeout", StatusCode::kUnknown},
    {413, "Request Entity Too Large", StatusCode::kUnknown},
    {415, "Unsupported Media Type", StatusCode::kUnknown},
    {426, "Upgrade Required", StatusCode::kUnknown},
    {429, "Too Many Requests", StatusCode::kUnavailable},
    {431, "Request Header Fields Too Large", StatusCode::kUnknown},
    {500, "Internal Server Error", StatusCode::kUnknown},
    {501, "Not Implemented", StatusCode::kUnknown},
    {502, "Bad Gateway", StatusCode::kUnavailable},
    {503, "Service Unavailable", StatusCode::kUnavailable},
    {504, "Gateway Timeout", StatusCode::kUnavailable},
};

bool is_grpc_content_type(std::string_view value) {
  constexpr std::string_view kGrpc = "application/grpc";
  if (!value.starts_with(kGrpc)) return false;
  value.remove_prefix(kGrpc.size());
  return value.empty() || value.front() == '+' || value.front() == ';';
}

std::optional<int> parse_number(std::string_view text) {
  int number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace

void ResponseHead::add(std::string_view name, std::string_view value) {
  if (name == ":status") {
    http_status_ = value;
  } else if (name == "content-type") {
    is_grpc_ = is_grpc_content_type(value);
    has_content_type_ = true;
    if (!is_grpc_) foreign_content_type_ = value;
  } else if (name == "grpc-encoding") {
    encoding_ = value;
  } else if (name == "grpc-status") {
    code_ = value;
  } else if (name == "grpc-message") {
    message_ = percent_decode(value);
  } else if (name == "grpc-status-details-bin") {
    Result<Bytes> decoded = base64_decode(value);
    if (decoded) {
      details_ = to_text(*decoded);
    } else {
      bad_header_ = fmt::format("transport: malformed {}: {}", name, decoded.error().message());
    }
  }
}

std::optional<Status> ResponseHead::block_ended(bool end_stream) {
  if (headers_seen_ && !end_stream) {
    return Status(StatusCode::kInternal, "a HEADERS frame cannot appear in the middle of a stream");
  }
  if (!headers_seen_ && !is_grpc_) return not_grpc(end_stream);
  headers_seen_ = true;
  if (!end_stream) return std::nullopt;
  return from_trailers();
}

std::optional<Status> ResponseHead::not_grpc(bool end_stream) {
  std::string content_type = has_content_type_
                                 ? "transport: received unexpected content-type " + go_quote(foreign_content_type_)
                                 : "malformed header: missing HTTP content-type";
  if (http_status_.empty()) {
    return Status(StatusCode::kInternal, "malformed header: missing HTTP status; " + content_type);
  }
  std::optional<int> number = parse_number(http_status_);
  if (!number) return Status(StatusCode::kInternal, "transport: malformed http-status: " + go_quote(http_status_));
  if (*number >= 100 && *number < 200 && !end_stream) {
    *this = ResponseHead();  // informational: the real headers follow
    return std::nullopt;
  }
  HttpStatus known{*number, "", StatusCode::kUnknown};
  for (const HttpStatus& status : kHttpStatuses) {
    if (status.number == *number) known = status;
  }
  return Status(known.code, fmt::format("unexpected HTTP status code received from server: {} ({}); {}", known.number,
                                        known.text, content_type));
}

Status ResponseHead::from_trailers() const {
  if (!bad_header_.empty()) return Status(StatusCode::kInternal, bad_header_);
  if (code_.empty()) return Status(StatusCode::kUnknown, message_);
  std::optional<int> number = parse_number(code_);
  if (!number || *number < 0) {
    return Status(
        StatusCode::kUnknown,
        fmt::format("transport: malformed grpc-status: strconv.ParseInt: parsing {}: invalid syntax", go_quote(code_)));
  }
  return Status(static_cast<StatusCode>(*number), message_, details_);
}

Status status_of_reset(http2::Reason reason, bool deadline_passed) {
  StatusCode code = StatusCode::kInternal;
  switch (reason) {
    case http2::Reason::kFlowControlError:
    case http2::Reason::kEnhanceYourCalm:
      code = StatusCode::kResourceExhausted;
      break;
    case http2::Reason::kRefusedStream:
      code = StatusCode::kUnavailable;
      break;
    case http2::Reason::kCancel:
      code = deadline_passed ? StatusCode::kDeadlineExceeded : StatusCode::kCancelled;
      break;
    case http2::Reason::kInadequateSecurity:
      code = StatusCode::kPermissionDenied;
      break;
    default:
      break;
  }
  return Status(code, fmt::format("stream terminated by RST_STREAM with error code: {}", to_string(reason)));
}

}  // namespace steeple::runtime::grpc
