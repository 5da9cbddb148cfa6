#include "deploy/devserver/config/federation.h"

#include <fmt/format.h>

#include "deploy/devserver/config/plugins.h"
#include "runtime/core/go_text.h"

namespace steeple::devserver {
namespace {

namespace hcl = agent::hcl;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using std::chrono::seconds;

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

Result<void> read_seconds(hcl::ObjectReader& reader, std::string_view key, seconds& out) {
  std::string text;
  STEEPLE_CHECK(reader.read(key, text));
  if (text.empty()) return {};
  auto duration = runtime::parse_go_duration(text);
  if (!duration) {
    return std::move(duration.error()).with_context(fmt::format("could not parse {} {}", key, runtime::go_quote(text)));
  }
  if (*duration < seconds(1)) return invalid(fmt::format("{} must be at least 1s", key));
  out = std::chrono::duration_cast<seconds>(*duration);
  return {};
}

// Whether a block that may be empty is there; refuses keys that nobody asked for.
Result<bool> read_checked(hcl::ObjectReader& parent, std::string_view key, const hcl::ObjectReader::Fill& fill) {
  return parent.read_block(key, [&](hcl::ObjectReader& reader) -> Result<void> {
    STEEPLE_CHECK(fill(reader));
    return refuse_unknown_keys(reader, key);
  });
}

Result<void> read_serving(hcl::ObjectReader& reader, BundleEndpointConfig& config) {
  ServingCertificateFiles& files = config.serving.emplace();
  STEEPLE_CHECK(reader.read("cert_file_path", files.certificate));
  STEEPLE_CHECK(reader.read("key_file_path", files.key));
  STEEPLE_CHECK(read_seconds(reader, "file_sync_interval", files.sync_interval));
  if (files.certificate.empty() || files.key.empty()) {
    return invalid("serving_cert_file needs cert_file_path and key_file_path");
  }
  return {};
}

Result<void> read_endpoint_profile(hcl::ObjectReader& reader, BundleEndpointConfig& config) {
  auto nothing = [](hcl::ObjectReader&) -> Result<void> { return {}; };
  auto web = [&](hcl::ObjectReader& block) -> Result<void> {
    STEEPLE_TRY(serving,
                read_checked(block, "serving_cert_file", [&](auto& inner) { return read_serving(inner, config); }));
    if (serving || block.read_raw("acme")) {
      return serving ? Result<void>()
                     : Error(ErrorCode::kUnimplemented, "acme: the development server has serving_cert_file only");
    }
    return invalid("malformed https_web profile configuration: 'acme' or 'serving_cert_file' is required");
  };
  STEEPLE_TRY(spiffe, read_checked(reader, "https_spiffe", nothing));
  STEEPLE_TRY(https_web, read_checked(reader, "https_web", web));
  if (spiffe == https_web) return invalid("exactly one bundle endpoint profile is expected");
  return {};
}

Result<void> read_endpoint(hcl::ObjectReader& reader, FederationConfig& federation) {
  BundleEndpointConfig& config = federation.endpoint.emplace();
  std::int64_t port = 0;
  STEEPLE_CHECK(reader.read("address", config.address));
  STEEPLE_CHECK(reader.read("port", port));
  STEEPLE_CHECK(read_seconds(reader, "refresh_hint", config.refresh_hint));
  if (reader.read_raw("acme")) {
    return Error(ErrorCode::kUnimplemented, "acme: the development server has serving_cert_file only");
  }
  STEEPLE_CHECK(read_checked(reader, "profile", [&](auto& block) { return read_endpoint_profile(block, config); }));
  if (port < 1 || port > 65535) return invalid(fmt::format("bundle_endpoint: port {} is not a port", port));
  config.port = static_cast<std::uint16_t>(port);
  return {};
}

Result<void> read_target_profile(hcl::ObjectReader& reader, FederationTarget& target) {
  auto nothing = [](hcl::ObjectReader&) -> Result<void> { return {}; };
  auto spiffe = [&](hcl::ObjectReader& block) -> Result<void> {
    std::string text;
    STEEPLE_CHECK(block.read("endpoint_spiffe_id", text));
    STEEPLE_TRY(id, runtime::with_context(agent::SpiffeId::parse(text), "could not get endpoint SPIFFE ID"));
    target.endpoint_id = std::move(id);
    return {};
  };
  STEEPLE_TRY(https_web, read_checked(reader, "https_web", nothing));
  STEEPLE_TRY(https_spiffe, read_checked(reader, "https_spiffe", spiffe));
  if (https_web == https_spiffe) return invalid("exactly one bundle endpoint profile is expected");
  return {};
}

Result<void> read_target(const std::string& name, hcl::ObjectReader& reader, FederationConfig& config) {
  STEEPLE_TRY(trust_domain, agent::TrustDomain::parse(name));
  FederationTarget target;
  STEEPLE_CHECK(reader.read("bundle_endpoint_url", target.url));
  std::string where = fmt::format("federation.federates_with[\"{}\"].bundle_endpoint_url", name);
  if (target.url.empty()) return invalid(where + " must be configured");
  if (!hcl::same_key(target.url.substr(0, 8), "https://")) {
    return invalid(fmt::format("{} must use the HTTPS protocol; URL found: {}", where, runtime::go_quote(target.url)));
  }
  STEEPLE_TRY(profile, read_checked(reader, "bundle_endpoint_profile",
                                    [&](auto& block) { return read_target_profile(block, target); }));
  if (!profile) {
    return invalid(fmt::format("federation configuration for trust domain {}: missing bundle endpoint configuration",
                               runtime::go_quote(name)));
  }
  STEEPLE_CHECK(refuse_unknown_keys(reader, where));
  config.federates_with.insert_or_assign(trust_domain.name(), std::move(target));
  return {};
}

// `federates_with "other.test" { }`: the label is the trust domain.
Result<void> read_targets(const hcl::View& value, FederationConfig& config, hcl::ReadNotes* notes) {
  std::vector<hcl::ItemView> items;
  if (value.items()) {
    items = *value.items();
  } else if (value.node() != nullptr && value.node()->kind == hcl::NodeKind::kObject) {
    items = hcl::items_of(*value.node());
  }
  for (const hcl::ItemView& item : items) {
    if (item.keys().empty()) return invalid("federation.federates_with: expected a trust domain");
    std::string name = item.keys().front().value;
    hcl::View body(item.value());
    STEEPLE_TRY(reader, hcl::ObjectReader::open("federates_with." + name, body, notes));
    STEEPLE_CHECK(read_target(name, reader, config));
  }
  return {};
}

}  // namespace

Result<void> read_federation(hcl::ObjectReader& reader, FederationConfig& config) {
  STEEPLE_CHECK(read_checked(reader, "bundle_endpoint", [&](auto& block) { return read_endpoint(block, config); }));
  // Repeated with another label each time, the key is one list of items.
  if (auto targets = reader.read_raw("federates_with")) return read_targets(*targets, config, reader.notes());
  return {};
}

}  // namespace steeple::devserver
