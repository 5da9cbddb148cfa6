// The header blocks that a gRPC answer consists of, in the order of golden/grpc (endpoints 1.3). The texts live as long
// as this object; submitting copies what is not static.
#pragma once

#include <boost/container/static_vector.hpp>
#include <string>

#include "runtime/grpc/status.h"
#include "runtime/http2/session.h"

namespace steeple::runtime::grpc {

class AnswerHeaders {
 public:
  // ":status", "content-type". None given means application/grpc; one that is given must outlive this object.
  void add_head(int http_status, const std::string* content_type);
  // "grpc-status", "grpc-message" (empty on OK), and the details if there are any.
  void add_status(const Status& status);
  std::span<const http2::Header> view() const { return {headers_.data(), headers_.size()}; }

 private:
  std::string http_status_;
  std::string code_;
  std::string message_;
  std::string details_;
  boost::container::static_vector<http2::Header, 5> headers_;
};

}  // namespace steeple::runtime::grpc
