// The few Kubernetes objects the development server reads and writes, JSON to values and back (attestation 3.3, 3.4,
// 4.1). Sans I/O, any thread. Errors are kMalformed.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::devserver {

// authentication.k8s.io/v1 TokenReview, its status.
struct TokenReview {
  bool authenticated = false;
  std::string error;
  std::string username;
  std::map<std::string, std::vector<std::string>, std::less<>> extra;
  std::vector<std::string> audiences;
};
struct KubePod {
  std::string node_name;
  std::string host_ip;
  std::string uid;
  std::map<std::string, std::string, std::less<>> labels;
};
struct KubeNode {
  std::string uid;
  std::map<std::string, std::string, std::less<>> labels;
};

// No audiences: the API server's own count. The text holds the token.
std::string token_review_request(std::string_view token, const std::vector<std::string>& audiences);
runtime::Result<TokenReview> parse_token_review(std::string_view json);
runtime::Result<KubePod> parse_pod(std::string_view json);
runtime::Result<KubeNode> parse_node(std::string_view json);

}  // namespace steeple::devserver
