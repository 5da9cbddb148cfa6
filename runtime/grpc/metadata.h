// Call metadata and its wire forms: grpc-timeout, percent-encoded grpc-message, base64 of "-bin" keys. Pure.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::runtime::grpc {

// Application metadata in order of arrival; keys lower case; values of "-bin" keys decoded.
class Metadata {
 public:
  void add(std::string key, std::string value) { entries_.emplace_back(std::move(key), std::move(value)); }
  std::vector<std::string_view> all(std::string_view key) const;
  const std::vector<std::pair<std::string, std::string>>& entries() const { return entries_; }

 private:
  std::vector<std::pair<std::string, std::string>> entries_;
};

Result<std::chrono::nanoseconds> parse_grpc_timeout(std::string_view text);  // "250m", at most 8 digits
std::string format_grpc_timeout(std::chrono::nanoseconds timeout);
std::string percent_encode(std::string_view message);
std::string percent_decode(std::string_view text);  // never fails: bad escapes stay as they are
std::string base64_encode(BytesView bytes, bool padded);
Result<Bytes> base64_decode(std::string_view text);  // with or without padding

}  // namespace steeple::runtime::grpc
