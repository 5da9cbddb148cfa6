// An external plugin (`plugin_cmd`; config-cli 1.8): its process, the gRPC channel to it, the host services that it may
// call, and its life from the checksum to the end of its process. A plugin that ends by itself is not started again:
// calls to it fail with UNAVAILABLE, and the agent goes on, as SPIRE's does. unload() before it dies. I/O thread only.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "agent/plugin/metrics_service.h"
#include "agent/plugin/plugin_process.h"
#include "agent/plugin/unix_service.h"
#include "runtime/grpc/channel.h"

namespace steeple::agent {

inline constexpr std::chrono::seconds kPluginInitWait{60};  // for Init, and for each Configure
inline constexpr std::chrono::seconds kPluginDeinitWait{10};
inline constexpr std::chrono::seconds kPluginShutdownWait{2};  // for the answer to Shutdown
inline constexpr std::chrono::seconds kPluginExitWait{2};      // then it is killed

struct ExternalPluginOptions {
  std::string type;
  std::string name;
  std::string command;  // relative to the working directory, if it is not absolute
  std::vector<std::string> arguments;
  std::string checksum;  // empty: none
  std::string trust_domain;
  std::optional<rlim_t> open_files_soft;
};

class ExternalPlugin {
 public:
  // References outlive the plugin. `log`: the catalog's, with the plugin's fields.
  ExternalPlugin(runtime::Loop& loop, runtime::Metrics& metrics, ExternalPluginOptions options, runtime::Logger log);
  ~ExternalPlugin();
  ExternalPlugin(const ExternalPlugin&) = delete;
  ExternalPlugin& operator=(const ExternalPlugin&) = delete;

  // Checks, starts, connects, and asks what it offers. Once. Errors are SPIRE's texts behind "failed to load plugin".
  runtime::Task<runtime::Result<void>> load(runtime::StopToken stop);
  // Whether it offers the service of its type ("spire.plugin.agent.svidstore.v1.SVIDStore"); others are warned of.
  runtime::Result<void> bind(std::string_view service);
  bool configurable() const { return configurable_; }  // after bind()
  // `text`: HCL. Errors are the plugin's own status as text.
  runtime::Task<runtime::Result<void>> configure(std::string text, runtime::StopToken stop);

  const std::string& name() const { return options_.name; }
  const std::string& type() const { return options_.type; }
  // A call of one of its services. The status bears the prefix that SPIRE gives it: "workloadattestor(NAME): ".
  runtime::Task<runtime::Result<runtime::Bytes, runtime::grpc::Status>> call(std::string path, runtime::Bytes request,
                                                                             runtime::grpc::CallOptions options);

  // In good order, and by force after some seconds; logs what SPIRE logs of it. After a failed load(), too.
  runtime::Task<void> unload();

 private:
  runtime::Task<runtime::Result<void>> connect(PluginAddress address, runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> offer_host_services(runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> initialize(runtime::StopToken stop);
  runtime::Task<void> follow_broker();
  runtime::Task<void> drain_stdio();
  runtime::Task<void> deinitialize();
  runtime::Task<void> end_process();
  runtime::grpc::CallOptions within(std::chrono::nanoseconds wait, runtime::StopToken stop) const;

  runtime::Loop& loop_;
  ExternalPluginOptions options_;
  runtime::Logger log_;
  PluginMetricsService metrics_;
  runtime::grpc::ServiceTable host_table_;
  std::unique_ptr<UnixService> host_;
  std::unique_ptr<PluginProcess> process_;
  std::unique_ptr<runtime::grpc::Channel> channel_;
  std::unique_ptr<runtime::grpc::ClientStream> broker_;
  std::vector<std::string> services_;
  bool initialized_ = false;
  bool configurable_ = false;
  runtime::TaskGroup tasks_;
};

}  // namespace steeple::agent
