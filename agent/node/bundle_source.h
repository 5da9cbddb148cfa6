// Where the first trust bundle comes from when none is stored (server-sync 1.2): a download, a file, or nowhere
// (insecure bootstrap). Read anew at each attempt. I/O thread only. Limits: kBundleDocumentSizeMax,
// kBundleDownloadTimeout.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "agent/spiffe/trust_bundle.h"
#include "agent/spiffe/trust_domain.h"
#include "agent/storage/agent_data.h"
#include "runtime/core/log.h"
#include "runtime/http1/client.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kBundleDownloadTimeout{30};

// What the agent trusts at the other end of a connection: authorities, or nothing (insecure bootstrap).
using ServerTrust = std::optional<runtime::Certificates>;

class BundleSource {
 public:
  virtual ~BundleSource() = default;
  // `state` is that of the attempt: a download behind a Unix socket is told of it.
  virtual runtime::Task<runtime::Result<ServerTrust>> read(const BootstrapState& state, runtime::StopToken stop) = 0;
  // Whether attempts are worth a line in the log (a download is).
  virtual bool announces_attempts() const = 0;
  virtual bool insecure() const = 0;
};

struct BundleSourceOptions {
  TrustDomain trust_domain;
  std::string server_address;
  std::uint16_t server_port = 0;
  std::string trust_bundle_path;
  std::string trust_bundle_url;
  std::string trust_bundle_unix_socket;
  TrustBundleFormat trust_bundle_format = TrustBundleFormat::kPem;
  bool insecure_bootstrap = false;
};

class ConfiguredBundleSource final : public BundleSource {
 public:
  // The options were checked against each other by the configuration. `http` outlives the object.
  ConfiguredBundleSource(runtime::HttpClient& http, BundleSourceOptions options)
      : http_(http), options_(std::move(options)) {}

  runtime::Task<runtime::Result<ServerTrust>> read(const BootstrapState& state, runtime::StopToken stop) override;
  bool announces_attempts() const override { return !options_.trust_bundle_url.empty(); }
  bool insecure() const override;

 private:
  runtime::Task<runtime::Result<std::string>> download(std::string url, runtime::StopToken stop);
  runtime::HttpClient& http_;
  BundleSourceOptions options_;
};

// The URL to ask: with a Unix socket, its query tells the helper behind it about this agent and attempt.
std::string bundle_url(const BundleSourceOptions& options, const BootstrapState& state);

}  // namespace steeple::agent
