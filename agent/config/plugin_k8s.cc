// The keys of the workload attestor `k8s` (attestation 1.1), with SPIRE's checks in SPIRE's order.
#include <fmt/format.h>

#include <cstdlib>

#include "agent/config/plugin_k8s_experimental.h"
#include "agent/config/plugin_sigstore.h"
#include "runtime/core/go_text.h"

namespace steeple::agent {
namespace {

using runtime::Result;

constexpr char kNodeNameVariable[] = "MY_NODE_NAME";
constexpr std::int64_t kPortMax = 65535;
constexpr char kAuthoritiesPath[] = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
constexpr char kTokenPath[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";
constexpr std::uint16_t kSecurePort = 10250;

struct RawKeys {
  K8sAttestorKeys keys;
  std::int64_t read_only_port = 0, secure_port = 0;
  std::string poll_retry_interval, reload_interval, pod_index_max_age, node_name_env;
  SigstoreKeys sigstore;
  K8sExperimental experimental;

  Result<void> read(hcl::ObjectReader& reader);
  std::string complain();

 private:
  Result<void> read_flags(hcl::ObjectReader& reader);
  std::string missing_feature() const;
  std::string conflict() const;
  std::string take_durations();
  std::string take_ports();
  void fill_defaults();
};

Result<void> RawKeys::read(hcl::ObjectReader& reader) {
  STEEPLE_CHECK(reader.read("kubelet_read_only_port", read_only_port));
  STEEPLE_CHECK(reader.read("kubelet_secure_port", secure_port));
  STEEPLE_CHECK(reader.read("max_poll_attempts", keys.max_poll_attempts));
  STEEPLE_CHECK(reader.read("poll_retry_interval", poll_retry_interval));
  STEEPLE_CHECK(reader.read("kubelet_ca_path", keys.kubelet_ca_path));
  STEEPLE_CHECK(reader.read("token_path", keys.token_path));
  STEEPLE_CHECK(reader.read("certificate_path", keys.certificate_path));
  STEEPLE_CHECK(reader.read("private_key_path", keys.private_key_path));
  STEEPLE_CHECK(reader.read("node_name_env", node_name_env));
  STEEPLE_CHECK(reader.read("node_name", keys.node_name));
  STEEPLE_CHECK(reader.read("reload_interval", reload_interval));
  STEEPLE_CHECK(reader.read("pod_index_max_age", pod_index_max_age));
  return read_flags(reader);
}

Result<void> RawKeys::read_flags(hcl::ObjectReader& reader) {
  STEEPLE_CHECK(reader.read("disable_kubelet_client", keys.disable_kubelet_client));
  STEEPLE_CHECK(reader.read("skip_kubelet_verification", keys.skip_kubelet_verification));
  STEEPLE_CHECK(reader.read("use_anonymous_authentication", keys.use_anonymous_authentication));
  STEEPLE_CHECK(reader.read("disable_container_selectors", keys.disable_container_selectors));
  STEEPLE_CHECK(reader.read("use_new_container_locator", keys.use_new_container_locator));
  STEEPLE_CHECK(reader.read("verbose_container_locator_logs", keys.verbose_container_locator_logs));
  STEEPLE_CHECK(reader.read("enable_namespace_labels", keys.enable_namespace_labels));
  STEEPLE_CHECK(sigstore.read(reader));
  keys.sigstore = sigstore.config();
  STEEPLE_CHECK(
      reader.read_block("experimental", [this](hcl::ObjectReader& block) { return experimental.read(block); }));
  keys.api_server_cache = experimental.cache_enabled;
  return {};
}

std::string RawKeys::missing_feature() const {
  return experimental.broker ? "experimental.broker is not available in this version of Steeple" : "";
}

std::string RawKeys::conflict() const {
  if (!keys.disable_kubelet_client) return {};
  const std::pair<std::string_view, bool> set[] = {
      {"kubelet_read_only_port", read_only_port > 0},
      {"kubelet_secure_port", secure_port > 0},
      {"kubelet_ca_path", !keys.kubelet_ca_path.empty()},
      {"skip_kubelet_verification", keys.skip_kubelet_verification},
      {"token_path", !keys.token_path.empty()},
      {"certificate_path", !keys.certificate_path.empty()},
      {"private_key_path", !keys.private_key_path.empty()},
      {"use_anonymous_authentication", keys.use_anonymous_authentication},
      {"node_name_env", !node_name_env.empty()},
      {"node_name", !keys.node_name.empty()},
      {"reload_interval", !reload_interval.empty()},
  };
  for (const auto& [key, is_set] : set) {
    if (is_set) return fmt::format("disable_kubelet_client cannot be used with {}", key);
  }
  return experimental.scope_complaint();
}

std::string RawKeys::take_durations() {
  const auto take = [](const std::string& text, std::string_view what, std::chrono::nanoseconds& out) -> std::string {
    if (text.empty()) return {};
    const auto parsed = runtime::parse_go_duration(text);
    if (!parsed) return fmt::format("unable to parse {}: {}", what, parsed.error().message());
    if (parsed->count() > 0) out = *parsed;
    return {};
  };
  if (std::string bad = take(poll_retry_interval, "poll retry interval", keys.poll_retry_interval); !bad.empty())
    return bad;
  if (std::string bad = take(reload_interval, "reload interval", keys.reload_interval); !bad.empty()) return bad;
  return take(pod_index_max_age, "pod index max age", keys.pod_index_max_age);
}

std::string RawKeys::take_ports() {
  if (secure_port > 0 && read_only_port > 0) return "cannot use both the read-only and secure port";
  if (secure_port > kPortMax || read_only_port > kPortMax) return "the kubelet's port is above 65535";
  if (read_only_port > 0) keys.kubelet_read_only_port = static_cast<std::uint16_t>(read_only_port);
  keys.kubelet_secure_port = secure_port > 0 ? static_cast<std::uint16_t>(secure_port) : kSecurePort;
  return {};
}

void RawKeys::fill_defaults() {
  if (keys.max_poll_attempts <= 0) keys.max_poll_attempts = K8sAttestorKeys().max_poll_attempts;
  if (keys.kubelet_ca_path.empty()) keys.kubelet_ca_path = kAuthoritiesPath;
  if (keys.token_path.empty()) keys.token_path = kTokenPath;
  if (!keys.node_name.empty()) return;
  const char* name = std::getenv(node_name_env.empty() ? kNodeNameVariable : node_name_env.c_str());
  if (name) keys.node_name = name;
}

std::string RawKeys::complain() {
  for (std::string bad : {experimental.complaint(), conflict(), take_durations(), take_ports(), missing_feature(),
                          sigstore.complaint()}) {
    if (!bad.empty()) return bad;
  }
  fill_defaults();
  return {};
}

}  // namespace

Result<K8sAttestorKeys> k8s_attestor_keys(const PluginConfig& plugin, const runtime::Logger& log) {
  return read_checked_keys<RawKeys>(plugin, log);
}

}  // namespace steeple::agent
