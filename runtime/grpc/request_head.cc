#include "runtime/grpc/request_head.h"

#include <fmt/format.h>

#include "runtime/core/go_text.h"

namespace steeple::runtime::grpc {
namespace {

constexpr std::string_view kGrpcContentType = "application/grpc";
constexpr std::string_view kPseudoNames[] = {":method", ":path", ":scheme", ":authority"};

// A lower-case token (RFC 9113, 8.2.1).
bool is_valid_name(std::string_view name) {
  if (name.empty()) return false;
  for (char c : name) {
    bool letter_or_digit = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!letter_or_digit && std::string_view("!#$%&'*+-.^_`|~").find(c) == std::string_view::npos) return false;
  }
  return true;
}

bool is_valid_value(std::string_view value) {
  for (char c : value) {
    auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f) return false;
  }
  return true;
}

// Headers of the protocol itself, which are no metadata.
bool is_reserved(std::string_view name) {
  static constexpr std::string_view kReserved[] = {
      "user-agent",        "te",          "grpc-accept-encoding",   "grpc-message",
      "grpc-message-type", "grpc-status", "grpc-status-details-bin"};
  for (std::string_view reserved : kReserved) {
    if (name == reserved) return true;
  }
  return false;
}

}  // namespace

void RequestHead::add(std::string_view name, std::string_view value) {
  if (!is_valid_value(value)) malformed_ = true;
  if (!name.empty() && name.front() == ':') return add_pseudo(name, value);
  regular_seen_ = true;
  if (!is_valid_name(name)) {
    malformed_ = true;
  } else if (name == "content-type") {
    add_content_type(value);
  } else if (name == "grpc-timeout") {
    add_timeout(value);
  } else if (name == "grpc-encoding") {
    encoding_ = value;
  } else if (name == "host") {
    ++hosts_;
  } else if (name == "connection") {
    malformed_ = true;
  } else if (!is_reserved(name)) {
    add_metadata(name, value);
  }
}

void RequestHead::add_pseudo(std::string_view name, std::string_view value) {
  unsigned index = 0;
  while (index < std::size(kPseudoNames) && kPseudoNames[index] != name) ++index;
  unsigned bit = 1u << index;
  if (index == std::size(kPseudoNames) || regular_seen_ || (pseudo_seen_ & bit) != 0) {
    malformed_ = true;
    return;
  }
  pseudo_seen_ |= bit;
  if (index == 0) method_ = value;
  if (index == 1) path_ = value;
  if (index == 3) ++authorities_;
}

void RequestHead::add_content_type(std::string_view value) {
  std::string_view rest = value;
  bool prefixed = rest.starts_with(kGrpcContentType);
  if (prefixed) rest.remove_prefix(kGrpcContentType.size());
  if (!prefixed || (!rest.empty() && rest.front() != '+' && rest.front() != ';')) {
    foreign_content_type_ = value;
    return;
  }
  is_grpc_ = true;
  other_content_type_.clear();
  if (rest.size() > 1) other_content_type_.append(kGrpcContentType).append("+").append(rest.substr(1));
}

void RequestHead::add_timeout(std::string_view value) {
  Result<std::chrono::nanoseconds> parsed = parse_grpc_timeout(value);
  if (parsed) {
    timeout_ = *parsed;
  } else {
    header_error_ = Status(StatusCode::kInternal, "malformed grpc-timeout: " + parsed.error().message());
  }
}

void RequestHead::add_metadata(std::string_view name, std::string_view value) {
  metadata_bytes_ += name.size() + value.size();
  if (!name.ends_with("-bin")) {
    metadata_.add(std::string(name), std::string(value));
    return;
  }
  Result<Bytes> decoded = base64_decode(value);
  if (decoded) {
    metadata_.add(std::string(name), to_text(*decoded));
  } else {
    header_error_ =
        Status(StatusCode::kInternal, fmt::format("malformed binary metadata {} in header {}: {}", go_quote(value),
                                                  go_quote(name), decoded.error().message()));
  }
}

RequestHead::Verdict RequestHead::refuse(int http_status, Status status) {
  http_status_ = http_status;
  refusal_ = std::move(status);
  return Verdict::kRefuse;
}

RequestHead::Verdict RequestHead::check() {
  if (hosts_ > 1) {
    return refuse(
        400, Status(StatusCode::kInternal,
                    fmt::format("num values of :authority: {}, num values of host: {}, both must only have 1 value "
                                "as per HTTP/2 spec",
                                authorities_, hosts_)));
  }
  if (malformed_) return Verdict::kReset;
  if (!is_grpc_) {
    return refuse(415, Status(StatusCode::kInvalidArgument,
                              "invalid gRPC request content-type " + go_quote(foreign_content_type_)));
  }
  if (header_error_) return refuse(400, *header_error_);
  if (method_ != "POST") {
    return refuse(
        405, Status(StatusCode::kInternal,
                    fmt::format("Received a HEADERS frame with :method {} which should be POST", go_quote(method_))));
  }
  return Verdict::kAccept;
}

}  // namespace steeple::runtime::grpc
