// The header blocks of one answer as a client sees them: response headers, then trailers, or both in one. Sans I/O.
// Turns them into a Status; what is not gRPC is mapped from the HTTP status as other gRPC clients do.
#pragma once

#include <optional>
#include <string>

#include "runtime/grpc/status.h"
#include "runtime/http2/session.h"

namespace steeple::runtime::grpc {

class ResponseHead {
 public:
  void add(std::string_view name, std::string_view value);

  // A block is complete. The final status when it ends the call (trailers, or an answer that is not gRPC); else
  // nothing.
  std::optional<Status> block_ended(bool end_stream);
  const std::string& encoding() const { return encoding_; }  // grpc-encoding, or empty

 private:
  std::optional<Status> not_grpc(bool end_stream);
  Status from_trailers() const;

  std::string http_status_;
  std::string foreign_content_type_;
  std::string encoding_;
  std::string code_;
  std::string message_;
  std::string details_;
  std::string bad_header_;
  bool has_content_type_ = false;
  bool is_grpc_ = false;       // in this block
  bool headers_seen_ = false;  // an earlier block was gRPC's
};

// For a stream that ended with RST_STREAM, or was never taken on. `deadline_passed`: the call's, which is then why the
// server has cancelled it, as grpc-go takes it.
Status status_of_reset(http2::Reason reason, bool deadline_passed);

}  // namespace steeple::runtime::grpc
