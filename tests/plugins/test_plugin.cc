// An external plugin for the end-to-end suites, on Steeple's own gRPC server: the other side of agent/plugin. Its first
// argument says how it behaves: `serve`, or a way of doing wrong. Its configuration: `selectors` (list) is what each
// process is attested with, `fail` the error of Configure, `attest` one of "error", "die", "hang" and "flood".
#include <fmt/format.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include <cstring>

#include "agent/config/hcl/object_reader.h"
#include "agent/config/hcl/parser.h"
#include "agent/plugin/external_attestor.h"
#include "agent/server/messages.h"
#include "plugin/init.pb.h"
#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"
#include "spire/plugin/agent/workloadattestor/v1/workloadattestor.pb.h"
#include "spire/service/common/config/v1/config.pb.h"

using namespace steeple;
using runtime::Task;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

namespace wire = spire::plugin::agent::workloadattestor::v1;
namespace config = spire::service::common::config::v1;

struct Plugin {
  explicit Plugin(std::string how) : behaviour(std::move(how)), end(loop) {}
  std::string behaviour;
  runtime::Loop loop;
  runtime::Signal end;
  std::vector<std::string> selectors;
  std::string attest;
  bool ending = false;
};

Plugin& plugin_of(void* service) { return *static_cast<Plugin*>(service); }

// A line as go-hclog writes it.
void say(std::string_view level, std::string_view message) {
  fmt::print(
      stderr,
      "{{\"@level\":\"{}\",\"@message\":\"{}\",\"@timestamp\":\"2026-01-02T03:04:05.678901Z\",\"by\":\"test\"}}\n",
      level, message);
}

template <class Message>
Task<Status> answer(ServerCall& call, const Message& message) {
  (void)co_await call.send(runtime::grpc::make_message(agent::serialize(message)));
  co_return Status::ok();
}

Task<Status> init(void* service, ServerCall& call) {
  ::plugin::init::InitResponse response;
  if (plugin_of(service).behaviour != "no-service") {
    response.add_plugin_service_names(std::string(agent::kWorkloadAttestorService));
  }
  response.add_plugin_service_names("spire.service.common.config.v1.Config");
  response.add_plugin_service_names("spire.test.v1.Unknown");
  co_return co_await answer(call, response);
}

Task<Status> deinit(void*, ServerCall& call) {
  say("info", "deinitialized");
  co_return co_await answer(call, ::plugin::init::DeinitResponse());
}

Task<Status> shut_down(void* service, ServerCall& call) {
  Plugin& plugin = plugin_of(service);
  if (plugin.behaviour != "stay") {
    plugin.ending = true;
    plugin.end.notify();
  }
  co_return co_await answer(call, ::plugin::init::DeinitResponse());
}

Task<Status> configure(void* service, ServerCall& call) {
  Plugin& plugin = plugin_of(service);
  config::ConfigureRequest request;
  if (!agent::parse(call.request(), request)) co_return Status(StatusCode::kInternal, "no request");
  auto document = agent::hcl::parse(request.hcl_configuration());
  if (!document) co_return Status(StatusCode::kInvalidArgument, document.error().message());
  auto reader = agent::hcl::ObjectReader::open("root", agent::hcl::View((*document)->root), nullptr);
  std::string fail;
  plugin.selectors.clear();
  if (!reader || !reader->read("selectors", plugin.selectors) || !reader->read("fail", fail) ||
      !reader->read("attest", plugin.attest)) {
    co_return Status(StatusCode::kInvalidArgument, "unable to decode configuration");
  }
  if (!fail.empty()) co_return Status(StatusCode::kInvalidArgument, fail);
  say("warn", "configured for " + request.core_configuration().trust_domain());
  fmt::print(stderr, "plain line\n");
  co_return co_await answer(call, config::ConfigureResponse());
}

Task<Status> attest(void* service, ServerCall& call) {
  Plugin& plugin = plugin_of(service);
  if (plugin.attest == "die") ::_exit(5);
  if (plugin.attest == "error") co_return Status(StatusCode::kUnknown, "it is bad");
  wire::AttestRequest request;
  if (!agent::parse(call.request(), request)) co_return Status(StatusCode::kInternal, "no request");
  if (plugin.attest == "hang" && request.pid() != ::getppid()) {  // the agent itself is asked about by its health check
    (void)co_await runtime::sleep_until(plugin.loop, runtime::Deadline::never(), call.stop());
    co_return Status(StatusCode::kCancelled, "nobody waits");
  }
  if (plugin.attest == "flood") {
    const std::string line(1000, 'x');
    for (int i = 0; i < 5000; ++i) fmt::print(stderr, "{}\n", line);
  }
  wire::AttestResponse response;
  for (const std::string& value : plugin.selectors) response.add_selector_values(value);
  response.add_selector_values(fmt::format("pid:{}", request.pid()));
  co_return co_await answer(call, response);
}

// Keeps the host's stream open, and reads from it, as go-plugin's broker does.
Task<Status> broker(void*, ServerCall& call) {
  for (;;) {
    auto message = co_await call.receive();
    if (!message || !*message) co_return Status::ok();
  }
}

Task<void> serve(Plugin& plugin, const runtime::grpc::ServiceTable& table) {
  auto service = agent::UnixService::start(plugin.loop, table, runtime::Logger());
  if (!service) co_return;
  fmt::print("1|1|unix|{}|grpc|\n", (*service)->path());
  ::fflush(stdout);
  while (!plugin.ending) (void)co_await plugin.end.wait(runtime::Deadline::never(), runtime::StopToken());
  co_await (*service)->stop();
}

[[noreturn]] void misbehave(const std::string& how) {
  if (how == "crash") {
    fmt::print(stderr, "about to crash\n");
    ::_exit(3);
  }
  if (how == "garbage") fmt::print("hello world\n");
  if (how == "endless") {
    for (;;) fmt::print("{}", std::string(4096, 'a'));
  }
  if (how == "wrong-version") fmt::print("1|7|unix|/tmp/x|grpc|\n");
  if (how == "nobody-there") fmt::print("1|1|unix|/tmp/steeple-nobody-there|grpc|\n");
  ::fflush(stdout);
  for (;;) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  if (const char* cookie = ::getenv("WorkloadAttestor"); !cookie || std::strcmp(cookie, "WorkloadAttestor") != 0) {
    fmt::print(stderr, "this program is run by an agent\n");
    return 1;
  }
  ::signal(SIGINT, SIG_IGN);
  const std::string how = argc > 1 ? argv[1] : "serve";
  for (const char* wrong : {"crash", "garbage", "hang", "endless", "wrong-version", "nobody-there"}) {
    if (how == wrong) misbehave(how);
  }
  Plugin plugin(how);
  runtime::grpc::ServiceTable table;
  table.add(&plugin, {{"/spire.service.private.init.v1.Init/Init", MethodKind::kUnary, &init},
                      {"/spire.service.private.init.v1.Init/Deinit", MethodKind::kUnary, &deinit},
                      {"/spire.service.common.config.v1.Config/Configure", MethodKind::kUnary, &configure},
                      {"/spire.plugin.agent.workloadattestor.v1.WorkloadAttestor/Attest", MethodKind::kUnary, &attest},
                      {"/plugin.GRPCBroker/StartStream", MethodKind::kBidirectional, &broker},
                      {"/plugin.GRPCController/Shutdown", MethodKind::kUnary, &shut_down}});
  runtime::run_until_done(plugin.loop, serve(plugin, table));
  return 0;
}
