#include "agent/sds/sds_request.h"

#include <algorithm>
#include <unordered_set>

#include "envoy/service/discovery/v3/discovery.pb.h"

namespace steeple::agent {

using envoy::service::discovery::v3::DiscoveryRequest;

namespace {

constexpr const char* kDisableKey = "disable_spiffe_cert_validation";

// The first Envoy with the SPIFFE validator.
constexpr std::uint32_t kValidatorMajor = 1;
constexpr std::uint32_t kValidatorMinor = 18;

// Go's strconv.ParseBool.
std::optional<bool> parse_bool(std::string_view text) {
  for (std::string_view yes : {"1", "t", "T", "TRUE", "true", "True"})
    if (text == yes) return true;
  for (std::string_view no : {"0", "f", "F", "FALSE", "false", "False"})
    if (text == no) return false;
  return std::nullopt;
}

std::optional<bool> disable_flag(const google::protobuf::Struct& metadata) {
  auto found = metadata.fields().find(kDisableKey);
  if (found == metadata.fields().end()) return std::nullopt;
  const google::protobuf::Value& value = found->second;
  if (value.has_bool_value()) return value.bool_value();
  if (value.has_string_value()) return parse_bool(value.string_value());
  return std::nullopt;
}

SdsNode node_of(const envoy::config::core::v3::Node& node) {
  SdsNode traits;
  traits.disable_spiffe_checks = disable_flag(node.metadata());
  if (node.has_user_agent_build_version()) {
    const auto& version = node.user_agent_build_version().version();
    traits.knows_spiffe_validator =
        version.major_number() > kValidatorMajor ||
        (version.major_number() == kValidatorMajor && version.minor_number() >= kValidatorMinor);
  }
  return traits;
}

}  // namespace

std::optional<SdsRequest> SdsRequest::parse(runtime::BytesView message) {
  DiscoveryRequest decoded;
  if (!decoded.ParseFromArray(message.data(), static_cast<int>(message.size()))) return std::nullopt;
  SdsRequest request;
  request.names.assign(decoded.resource_names().begin(), decoded.resource_names().end());
  request.type_url = decoded.type_url();
  request.version_info = decoded.version_info();
  request.response_nonce = decoded.response_nonce();
  if (decoded.has_node()) request.node = node_of(decoded.node());
  if (decoded.has_error_detail()) request.error_message = decoded.error_detail().message();
  return request;
}

std::vector<std::string> wanted_names(const std::vector<std::string>& names) {
  std::vector<std::string> wanted;
  std::copy_if(names.begin(), names.end(), std::back_inserter(wanted), [](const auto& name) { return !name.empty(); });
  std::sort(wanted.begin(), wanted.end());
  wanted.erase(std::unique(wanted.begin(), wanted.end()), wanted.end());
  return wanted;
}

bool names_changed(const std::vector<std::string>& before, const std::vector<std::string>& now) {
  if (before == now) return false;
  if (before.size() != now.size()) return true;
  const std::unordered_set<std::string_view> known(before.begin(), before.end());
  return std::any_of(now.begin(), now.end(), [&](const std::string& name) { return !known.contains(name); });
}

}  // namespace steeple::agent
