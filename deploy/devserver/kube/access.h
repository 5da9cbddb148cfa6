// Where an API server is and what to show it: from a kubeconfig, or from the pod this program runs in. Everything is
// read anew for each request, so a rotated token or a replaced file counts at once (client-go, rest.InClusterConfig).
// Files are small and read on the I/O thread.
#pragma once

#include <memory>
#include <string>

#include "agent/config/expand_env.h"
#include "runtime/http1/client.h"

namespace steeple::devserver {

inline constexpr std::string_view kServiceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
inline constexpr std::size_t kCredentialBytesMax = 1 << 20;

struct KubeAccess {
  std::string server;          // "https://HOST:PORT"
  runtime::SecretBytes token;  // empty: none
  std::shared_ptr<const runtime::HttpTls> tls;
};

class KubeAccessSource {
 public:
  // An empty path means the pod this runs in: its service account's token and authority, and KUBERNETES_SERVICE_HOST
  // and _PORT in `environment`.
  KubeAccessSource(std::string kubeconfig_path, agent::Environment environment,
                   std::string service_account_folder = std::string(kServiceAccountFolder));

  // The TLS settings are the same object while their content is the same: a kept connection goes by it.
  runtime::Result<KubeAccess> load();

  const std::string& kubeconfig_path() const { return kubeconfig_path_; }

 private:
  runtime::Result<KubeAccess> from_kubeconfig();
  runtime::Result<KubeAccess> from_pod();
  std::shared_ptr<const runtime::HttpTls> same_or_new(runtime::HttpTls tls);

  std::string kubeconfig_path_;
  agent::Environment environment_;
  std::string folder_;
  std::shared_ptr<const runtime::HttpTls> tls_;
};

}  // namespace steeple::devserver
