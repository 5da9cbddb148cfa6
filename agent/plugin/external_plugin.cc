#include "agent/plugin/external_plugin.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "agent/plugin/checksum.h"
#include "agent/plugin/plugin_connector.h"
#include "agent/server/messages.h"
#include "plugin/grpc_broker.pb.h"
#include "plugin/init.pb.h"
#include "runtime/core/go_text.h"
#include "spire/service/common/config/v1/config.pb.h"

namespace steeple::agent {

using runtime::Bytes;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopReason;
using runtime::StopToken;
using runtime::Task;
using runtime::grpc::CallOptions;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

namespace init = ::plugin::init;
namespace config = spire::service::common::config::v1;

constexpr std::string_view kConfigService = "spire.service.common.config.v1.Config";
constexpr std::uint32_t kHostServicesId = 1;  // at the broker
constexpr std::string_view kLaunching = "failed to launch plugin";

Result<std::string> absolute_path(const std::string& command) {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::absolute(command, error);
  if (error) return runtime::system_error("failed to resolve plugin path", error.value());
  return path.lexically_normal().string();
}

// SPIRE puts the plugin's type and name before the message once, in place of the name alone.
Status with_prefix(const ExternalPlugin& plugin, const Status& status) {
  std::string prefix = plugin.type();
  for (char& c : prefix) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  prefix += "(" + plugin.name() + "): ";
  std::string_view message = status.message();
  if (message.starts_with(prefix)) return status;
  const std::string old_prefix = plugin.name() + ": ";
  if (message.starts_with(old_prefix)) message.remove_prefix(old_prefix.size());
  return Status(status.code(), prefix + std::string(message), status.details());
}

bool ends_with_the_process(StatusCode code) {
  return code == StatusCode::kUnavailable || code == StatusCode::kCancelled || code == StatusCode::kUnimplemented;
}

}  // namespace

ExternalPlugin::ExternalPlugin(runtime::Loop& loop, runtime::Metrics& metrics, ExternalPluginOptions options,
                               runtime::Logger log)
    : loop_(loop), options_(std::move(options)), log_(std::move(log)), metrics_(metrics), tasks_(loop) {
  metrics_.add_to(host_table_);
}

ExternalPlugin::~ExternalPlugin() = default;

CallOptions ExternalPlugin::within(std::chrono::nanoseconds wait, StopToken stop) const {
  return CallOptions(Deadline::after(loop_.now(), wait), stop);
}

Task<Result<void>> ExternalPlugin::load(StopToken stop) {
  STEEPLE_CO_TRY(path, absolute_path(options_.command));
  if (options_.checksum.empty()) {
    log_.warning("Plugin checksum not configured");
  } else {
    STEEPLE_CO_CHECK(check_checksum_text(options_.checksum));
    STEEPLE_CO_CHECK(runtime::with_context(verify_checksum(path, options_.checksum), kLaunching));
  }
  PluginProcessOptions process{options_.type, options_.name, std::move(path), options_.arguments,
                               options_.open_files_soft};
  process_ = std::make_unique<PluginProcess>(loop_, std::move(process), log_);
  STEEPLE_CO_TRY(address, runtime::with_context(co_await process_->start(stop), kLaunching));
  STEEPLE_CO_CHECK(co_await connect(std::move(address), stop));
  co_return co_await initialize(stop);
}

// The broker's stream comes first, as a plugin may ask for host services while it answers Init.
Task<Result<void>> ExternalPlugin::connect(PluginAddress address, StopToken stop) {
  runtime::grpc::ChannelOptions options;
  options.authority = "localhost";
  channel_ = std::make_unique<runtime::grpc::Channel>(
      loop_, make_plugin_connector(loop_, std::move(address), [this] { return process_->running(); }),
      std::move(options));
  STEEPLE_CO_CHECK(co_await offer_host_services(stop));
  tasks_.spawn(follow_broker());
  tasks_.spawn(drain_stdio());
  co_return Result<void>();
}

Task<Result<void>> ExternalPlugin::offer_host_services(StopToken stop) {
  STEEPLE_CO_TRY(host, UnixService::start(loop_, host_table_, log_));
  host_ = std::move(host);
  if (stop.stop_requested()) co_return stop.error();
  auto stream =
      co_await channel_->open_stream("/plugin.GRPCBroker/StartStream", CallOptions(Deadline::never(), tasks_.token()));
  if (!stream) co_return to_error(stream.error());
  broker_ = std::move(*stream);
  ::plugin::ConnInfo info;
  info.set_service_id(kHostServicesId);
  info.set_network("unix");
  info.set_address(host_->path());
  (void)co_await broker_->send(serialize(info));  // a plugin without a broker needs no host services
  co_return Result<void>();
}

Task<Result<void>> ExternalPlugin::initialize(StopToken stop) {
  init::InitRequest request;
  request.add_host_service_names(std::string(kMetricsServiceName));
  auto answer = co_await channel_->unary("/spire.service.private.init.v1.Init/Init", serialize(request),
                                         within(kPluginInitWait, stop));
  if (!answer) co_return to_error(answer.error());
  init::InitResponse response;
  STEEPLE_CO_CHECK(parse(*answer, response));
  services_.assign(response.plugin_service_names().begin(), response.plugin_service_names().end());
  initialized_ = true;
  co_return Result<void>();
}

// What the plugin says there is of no use, and would fill the stream's window.
Task<void> ExternalPlugin::follow_broker() {
  for (;;) {
    Result<std::optional<Bytes>, Status> message = co_await broker_->receive();
    if (!message || !*message) co_return;
  }
}

// A go-plugin server sends what the plugin writes to its own standard output and error, and blocks it while nobody
// reads. It goes nowhere, as with SPIRE.
Task<void> ExternalPlugin::drain_stdio() {
  const runtime::Logger log = log_.with_subsystem(options_.name + ".stdio");
  auto stream =
      co_await channel_->open_stream("/plugin.GRPCStdio/StreamStdio", CallOptions(Deadline::never(), tasks_.token()));
  if (!stream) co_return;
  (void)co_await (*stream)->send({});
  (*stream)->half_close();
  for (;;) {
    Result<std::optional<Bytes>, Status> message = co_await (*stream)->receive();
    if (message && *message) continue;
    const Status end = message ? Status(StatusCode::kUnavailable, "EOF") : message.error();
    if (ends_with_the_process(end.code())) {
      log.debug("received EOF, stopping recv loop", {{"err", end.text()}});
    } else {
      log.error("error receiving data", {{"err", end.text()}});
    }
    co_return;
  }
}

Result<void> ExternalPlugin::bind(std::string_view service) {
  std::vector<std::string> others = services_;
  std::sort(others.begin(), others.end());
  others.erase(std::unique(others.begin(), others.end()), others.end());
  const auto take = [&others](std::string_view name) {
    return std::erase_if(others, [name](const std::string& other) { return other == name; }) != 0;
  };
  const bool bound = take(service);
  configurable_ = take(kConfigService);
  if (!bound) {
    return Error(ErrorCode::kUnimplemented,
                 fmt::format("no supported plugin interface found in: {}", runtime::go_quoted_list(services_)));
  }
  for (const std::string& other : others) {
    log_.warning("Unsupported plugin service found", {{"plugin_service", other}});
  }
  return {};
}

Task<Result<void>> ExternalPlugin::configure(std::string text, StopToken stop) {
  config::ConfigureRequest request;
  request.mutable_core_configuration()->set_trust_domain(options_.trust_domain);
  request.set_hcl_configuration(std::move(text));
  auto answer = co_await channel_->unary("/spire.service.common.config.v1.Config/Configure", serialize(request),
                                         within(kPluginInitWait, stop));
  if (!answer) co_return to_error(answer.error());
  co_return Result<void>();
}

Task<Result<Bytes, Status>> ExternalPlugin::call(std::string path, Bytes request, CallOptions options) {
  auto answer = co_await channel_->unary(std::move(path), std::move(request), std::move(options));
  if (!answer) co_return with_prefix(*this, answer.error());
  co_return answer;
}

Task<void> ExternalPlugin::deinitialize() {
  auto answer = co_await channel_->unary("/spire.service.private.init.v1.Init/Deinit", {},
                                         within(kPluginDeinitWait, StopToken()));
  if (answer || answer.error().code() == StatusCode::kUnimplemented) {
    log_.debug("Plugin deinitialized");
  } else {
    log_.error("Failed to deinitialize plugin", {{"error", answer.error().text()}});
  }
}

Task<void> ExternalPlugin::end_process() {
  if (channel_) {
    (void)co_await channel_->unary("/plugin.GRPCController/Shutdown", {}, within(kPluginShutdownWait, StopToken()));
  }
  if (channel_ && co_await process_->wait_end(Deadline::in(kPluginExitWait))) {
    log_.debug("plugin exited");
  } else if (process_->running()) {
    log_.warning("plugin failed to exit gracefully");
  }
  co_await process_->stop();
}

Task<void> ExternalPlugin::unload() {
  if (initialized_) co_await deinitialize();
  if (process_) co_await end_process();
  tasks_.close(StopReason::kShutdown);
  if (channel_) co_await channel_->close(StopReason::kShutdown);
  co_await tasks_.join();
  broker_.reset();
  if (host_) co_await host_->stop();
}

}  // namespace steeple::agent
