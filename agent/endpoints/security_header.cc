#include "agent/endpoints/security_header.h"

#include "agent/endpoints/status_text.h"

namespace steeple::agent {

bool has_security_header(const runtime::grpc::Metadata& metadata) {
  int seen = 0;
  bool right = false;
  for (const auto& [key, value] : metadata.entries()) {
    if (key != "workload.spiffe.io") continue;
    ++seen;
    right = value == "true";
  }
  return seen == 1 && right;
}

runtime::grpc::Status check_security_header(std::string_view path, const runtime::grpc::Metadata& metadata) {
  if (!path.starts_with("/SpiffeWorkloadAPI/") || has_security_header(metadata)) return {};
  return status_text::security_header_missing();
}

}  // namespace steeple::agent
