// The keys of the attestor `k8s` (attestation 1.1), checked and with their defaults filled in.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>

#include "attestation/kube/access.h"
#include "attestation/sigstore/config.h"

namespace steeple::attestation {

inline constexpr char kServiceAccountToken[] = "/var/run/secrets/kubernetes.io/serviceaccount/token";
inline constexpr char kServiceAccountCa[] = "/var/run/secrets/kubernetes.io/serviceaccount/ca.crt";
inline constexpr std::uint16_t kKubeletSecurePort = 10250;

struct KubeletConfig {
  std::uint16_t read_only_port = 0;  // above 0: plain HTTP to the loopback address, no credentials
  std::uint16_t secure_port = kKubeletSecurePort;
  std::string node_name;  // empty: 127.0.0.1
  bool skip_verification = false;
  std::string ca_path = kServiceAccountCa;
  std::string token_path = kServiceAccountToken;
  std::string certificate_path;
  std::string private_key_path;
  bool anonymous = false;
  std::chrono::nanoseconds reload_interval = std::chrono::minutes(1);
};

struct K8sConfig {
  KubeletConfig kubelet;
  bool disable_kubelet_client = false;
  std::int64_t max_poll_attempts = 60;
  std::chrono::nanoseconds poll_retry_interval = std::chrono::milliseconds(500);
  std::chrono::nanoseconds pod_index_max_age = std::chrono::seconds(5);  // Steeple's own
  bool disable_container_selectors = false;
  bool use_new_container_locator = true;
  bool verbose_container_locator_logs = false;
  bool enable_namespace_labels = false;
  bool api_server_cache = false;                   // experimental.api_server.cache.enabled
  std::shared_ptr<const SigstoreConfig> sigstore;  // null: images are not verified
  Environment environment = [](const std::string&) { return std::optional<std::string>(); };
};

}  // namespace steeple::attestation
