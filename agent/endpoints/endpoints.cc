#include "agent/endpoints/endpoints.h"

#include "agent/endpoints/status_text.h"
#include "runtime/engine/epoll_engine.h"
#include "runtime/engine/uring_engine.h"
#include "runtime/os/file.h"

namespace steeple::agent {

using runtime::Accepted;
using runtime::Acceptor;
using runtime::Backend;
using runtime::Deadline;
using runtime::Error;
using runtime::Logger;
using runtime::LogRendered;
using runtime::Loop;
using runtime::Result;
using runtime::StopReason;
using runtime::StopToken;
using runtime::Task;
using runtime::UnixListener;

namespace {

// Go prints an address by its name, and its JSON form by its fields; the admin socket's is logged as a text.
runtime::LogFields address_fields(const std::string& path, bool admin) {
  if (admin) return {{"address", path}, {"network", "unix"}};
  LogRendered address(path, "{\"Name\":" + runtime::json_string(path) + ",\"Net\":\"unix\"}");
  return {{"address", std::move(address)}, {"network", "unix"}};
}

constexpr std::chrono::seconds kHeapSettleWait{1};

}  // namespace

SocketEngine::SocketEngine(Engine engine) : engine_(std::move(engine)) {}
SocketEngine::~SocketEngine() = default;

Result<std::unique_ptr<SocketEngine>> SocketEngine::create(Loop& loop, Backend backend) {
  if (backend == Backend::kIoUring) {
    STEEPLE_TRY(engine, runtime::UringEngine::create(loop));
    return std::unique_ptr<SocketEngine>(new SocketEngine(std::move(engine)));
  }
  STEEPLE_TRY(engine, runtime::EpollEngine::create(loop));
  return std::unique_ptr<SocketEngine>(new SocketEngine(std::move(engine)));
}

Backend SocketEngine::backend() const { return engine_.index() == 0 ? Backend::kIoUring : Backend::kEpoll; }

Result<void> prepare_socket_directory(const std::string& socket_path, std::string_view what, const Logger& log) {
  std::string directory = runtime::parent_directory(socket_path);
  if (!runtime::is_missing(directory)) return {};
  log.info("Creating " + std::string(what) + " directory", {{"dir", directory}});
  return runtime::make_directories(directory, kSocketDirectoryMode);
}

std::string_view api_names(bool workload_api, bool sds) {
  if (workload_api && sds) return "Workload and SDS APIs";
  if (workload_api) return "Workload API";
  return sds ? "SDS API" : "no APIs";
}

Endpoint::Endpoint(Loop& loop, UnixListener listener, const runtime::grpc::ServiceTable& table, Options options,
                   Logger log)
    : loop_(loop),
      log_(std::move(log)),
      apis_(std::move(options.apis)),
      admin_(options.admin),
      listener_(std::move(listener)),
      server_(loop, table, options.server, log_),
      connections_(loop),
      accepting_(loop) {}

Endpoint::~Endpoint() = default;

Result<std::unique_ptr<Endpoint>> Endpoint::start(Loop& loop, SocketEngine& engine,
                                                  const runtime::grpc::ServiceTable& table, Options options,
                                                  const Logger& log) {
  const std::string_view doing = options.admin ? "error creating UDS listener" : "create UDS listener";
  STEEPLE_TRY(listener, UnixListener::bind(options.socket_path, options.mode, doing));
  Logger own_log = options.admin ? log : log.with_subsystem("endpoints");
  std::unique_ptr<Endpoint> endpoint(
      new Endpoint(loop, std::move(listener), table, std::move(options), std::move(own_log)));
  runtime::LogFields fields = address_fields(endpoint->socket_path(), endpoint->admin_);
  if (!endpoint->admin_) fields.emplace_back("apis", endpoint->apis_);
  endpoint->log_.info(endpoint->admin_ ? "Starting Admin APIs" : "Starting agent APIs", std::move(fields));
  std::visit([&](auto& chosen) { endpoint->accepting_.spawn(endpoint->accept_connections(*chosen)); }, engine.engine_);
  return endpoint;
}

// One connection from its first byte to its close.
template <class C>
Task<void> Endpoint::serve(Accepted<C> accepted) {
  trim_rule_.note(connections_.size());
  {
    Accepted<C> connection = std::move(accepted);
    co_await server_.serve(*connection.connection, &connection.peer);
  }
  if (trim_rule_.note(connections_.size() - 1)) accepting_.spawn(trim_heap_soon());
}

Task<void> Endpoint::trim_heap_soon() {
  Result<void> settled = co_await runtime::sleep_until(loop_, Deadline::in(kHeapSettleWait), accepting_.token());
  if (settled) runtime::trim_heap();
}

template <class E>
Task<void> Endpoint::accept_connections(E& engine) {
  StopToken stop = accepting_.token();
  auto on_refused = [this](const Error& why) { log_.warning("Connection failed during accept", {{"error", why}}); };
  while (!stop.stop_requested()) {
    Acceptor<E> acceptor(engine, listener_.fd(), on_refused);
    for (;;) {
      auto accepted = co_await acceptor.accept(stop);
      if (accepted) {
        connections_.spawn(serve(std::move(*accepted)));
        continue;
      }
      if (!stop.stop_requested()) log_.error("Accepting connections failed", {{"error", accepted.error()}});
      break;
    }
    co_await acceptor.close();
    // A broken listening socket is not mended by trying again at once; the agent lives on for those who are connected.
    Result<void> waited = co_await runtime::sleep_until(loop_, Deadline::in(kAcceptRetryWait), stop);
    if (!waited) break;
  }
}

Task<void> Endpoint::stop() {
  if (admin_) {
    log_.info("Stopping Admin APIs", address_fields(socket_path(), true));
  } else {
    log_.info("Stopping agent APIs", {{"apis", apis_}});
  }
  accepting_.close(StopReason::kShutdown);
  co_await accepting_.join();
  listener_.close();
  co_await server_.stop(status_text::stopping(), kDrainWait);
  connections_.close(StopReason::kShutdown);
  co_await connections_.join();
  if (admin_) log_.info("Admin APIs have stopped", address_fields(socket_path(), true));
}

}  // namespace steeple::agent
