// Asks the node's kubelet for its pods (attestation 1.6): over the secure port with a token, a client certificate or
// nothing, or over the read-only port of the loopback address. Credentials are files, read again when they are older
// than reload_interval; a connection is kept while only the token changed. The answer is read on a worker thread of its
// own, piece by piece, so that keys never wait behind a kubelet that hangs. Owned by the pod list; outlives its
// fetches. I/O thread only. Limits: kKubeletTimeout, kPodListBytesMax, kCredentialBytesMax. Errors carry upstream's
// texts.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "attestation/workload/k8s/k8s_config.h"
#include "attestation/workload/k8s/pod_index.h"
#include "runtime/core/log.h"
#include "runtime/http1/client.h"

namespace steeple::attestation {

inline constexpr std::chrono::seconds kKubeletTimeout{10};
inline constexpr std::size_t kPodListBytesMax = 64 * 1024 * 1024;
inline constexpr std::size_t kRefusalTextMax = 1024;  // of a body, in an error

// What fetches an index; an interface, so that the pod list is tested without a kubelet.
class PodSource {
 public:
  virtual ~PodSource() = default;
  virtual runtime::Task<runtime::Result<std::shared_ptr<const PodIndex>>> fetch(runtime::StopToken stop) = 0;
};

class KubeletClient final : public PodSource {
 public:
  KubeletClient(runtime::Loop& loop, KubeletConfig config, const runtime::Logger& log);

  // Reads the credentials; the attestor does so when it is made, so that a missing file stops the agent at start.
  runtime::Result<void> load();
  runtime::Task<runtime::Result<std::shared_ptr<const PodIndex>>> fetch(runtime::StopToken stop) override;

  std::string url() const;

 private:
  struct Credentials {
    std::string token, ca_pem, certificate_pem;
    runtime::SecretBytes private_key_pem;
  };
  runtime::Result<Credentials> read_credentials() const;
  runtime::Result<void> read_own_credentials(Credentials& credentials) const;
  void use(Credentials credentials);
  runtime::HttpRequest request() const;
  runtime::Error read_error(const runtime::Error& error) const;
  void log_oddities(const PodListReader& reader) const;

  runtime::Loop& loop_;
  KubeletConfig config_;
  runtime::Logger log_;
  runtime::WorkerPool worker_;
  runtime::HttpClient http_;
  std::shared_ptr<PodListReader> reader_;  // the worker's while a fetch is under way
  std::shared_ptr<const runtime::HttpTls> tls_;
  std::string token_;
  std::optional<runtime::SteadyTime> loaded_;
};

}  // namespace steeple::attestation
