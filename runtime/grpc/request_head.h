// The header block of one request: collected, checked, and turned into what a call needs. Sans I/O. nghttp2's own
// checks are off on Unix sockets (clients A.3), so the rules that matter are here: endpoints 1.3, golden/grpc/protocol.
// Lives only while a request's headers arrive.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "runtime/grpc/metadata.h"
#include "runtime/grpc/status.h"

namespace steeple::runtime::grpc {

class RequestHead {
 public:
  void add(std::string_view name, std::string_view value);

  enum class Verdict {
    kAccept,
    kReset,
    kRefuse
  };  // kReset: RST_STREAM(PROTOCOL_ERROR); kRefuse: refusal() and http_status()
  Verdict check();
  int http_status() const { return http_status_; }
  const Status& refusal() const { return refusal_; }

  const std::string& path() const { return path_; }
  const std::string& encoding() const { return encoding_; }  // grpc-encoding, or empty
  // Of the answer, if it is not just "application/grpc"; else empty.
  const std::string& other_content_type() const { return other_content_type_; }
  std::optional<std::chrono::nanoseconds> timeout() const { return timeout_; }
  Metadata take_metadata() { return std::move(metadata_); }
  std::size_t metadata_bytes() const { return metadata_bytes_; }

 private:
  void add_pseudo(std::string_view name, std::string_view value);
  void add_content_type(std::string_view value);
  void add_timeout(std::string_view value);
  void add_metadata(std::string_view name, std::string_view value);
  Verdict refuse(int http_status, Status status);

  std::string path_;
  std::string method_;
  std::string encoding_;
  std::string other_content_type_;
  std::string foreign_content_type_;
  std::optional<std::chrono::nanoseconds> timeout_;
  std::optional<Status> header_error_;
  Metadata metadata_;
  std::size_t metadata_bytes_ = 0;
  unsigned pseudo_seen_ = 0;
  int authorities_ = 0;
  int hosts_ = 0;
  bool regular_seen_ = false;
  bool malformed_ = false;
  bool is_grpc_ = false;
  int http_status_ = 200;
  Status refusal_;
};

}  // namespace steeple::runtime::grpc
