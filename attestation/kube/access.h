// Where an API server is and what to show it: from a kubeconfig, or from the pod this program runs in. Everything is
// read anew for each request, so a rotated token or a replaced file counts at once (client-go, rest.InClusterConfig).
// Files are small and read on the I/O thread.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "runtime/http1/client.h"

namespace steeple::attestation {

inline constexpr std::string_view kServiceAccountFolder = "/var/run/secrets/kubernetes.io/serviceaccount";
inline constexpr std::size_t kCredentialBytesMax = 1 << 20;  // a file

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

struct KubeAccess {
  std::string server;          // "https://HOST:PORT"
  runtime::SecretBytes token;  // empty: none
  std::shared_ptr<const runtime::HttpTls> tls;
};

class KubeAccessSource {
 public:
  // An empty path means the pod this runs in: its service account's token and authority, and KUBERNETES_SERVICE_HOST
  // and _PORT in `environment`.
  KubeAccessSource(std::string kubeconfig_path, Environment environment,
                   std::string service_account_folder = std::string(kServiceAccountFolder));

  // The TLS settings are the same object while their content is the same: a kept connection goes by it.
  runtime::Result<KubeAccess> load();

 private:
  runtime::Result<KubeAccess> from_kubeconfig();
  runtime::Result<KubeAccess> from_pod();
  std::shared_ptr<const runtime::HttpTls> same_or_new(runtime::HttpTls tls);

  std::string kubeconfig_path_;
  Environment environment_;
  std::string folder_;
  std::shared_ptr<const runtime::HttpTls> tls_;
};

// Where programs of a cluster look for it: the file KUBECONFIG names, else the pod this runs in, else .kube/config in
// HOME (controller-runtime, client/config). kFailedPrecondition: nowhere. A list of files in KUBECONFIG is refused by
// name.
runtime::Result<KubeAccessSource> find_kube_access(
    const Environment& environment, const std::string& service_account_folder = std::string(kServiceAccountFolder));

}  // namespace steeple::attestation
