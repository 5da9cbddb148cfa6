#include "deploy/devserver/server/listeners.h"

#include <fmt/format.h>

#include "runtime/os/file.h"
#include "runtime/task/async_op.h"
#include "runtime/task/timeout.h"

namespace steeple::devserver {
namespace {

using boost::asio::ip::tcp;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopReason;
using runtime::Task;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

constexpr mode_t kSocketMode = 0770;
constexpr mode_t kSocketDirectoryMode = 0750;

runtime::grpc::ServerOptions tcp_options(const TcpListener::Limits& limits) {
  runtime::grpc::ServerOptions options;
  options.observer = limits.observer;
  options.connections_max = kTcpConnectionsMax;
  options.streams_per_connection_max = 1'000;
  options.streams_max = 20'000;
  options.enforce_http_messaging = true;
  options.connection_age_max = limits.connection_age_max;
  return options;
}

runtime::grpc::ServerOptions private_options() {
  runtime::grpc::ServerOptions options;
  options.connections_max = kPrivateConnectionsMax;
  options.streams_per_connection_max = 1'000;
  options.streams_max = 10'000;
  return options;
}

Status stopping() { return Status(StatusCode::kUnavailable, "the server is stopping"); }

Result<tcp::endpoint> resolve(runtime::Loop& loop, const TcpListener::Target& target) {
  boost::system::error_code failed;
  tcp::resolver resolver(loop.io());
  auto found = resolver.resolve(target.address, std::to_string(target.port), tcp::resolver::passive, failed);
  if (failed || found.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("could not resolve bind address \"{}\": {}", target.address, failed.message()));
  }
  return found.begin()->endpoint();
}

}  // namespace

TcpListener::TcpListener(runtime::Loop& loop, std::shared_ptr<runtime::TlsServerContext> context,
                         const runtime::grpc::ServiceTable& table, runtime::grpc::ServerOptions options,
                         runtime::Logger log)
    : loop_(loop),
      tls_(loop, std::move(context)),
      server_(loop, table, options, log),
      log_(std::move(log)),
      acceptor_(loop.io()),
      connections_(loop) {}

Result<std::unique_ptr<TcpListener>> TcpListener::bind(runtime::Loop& loop, const Target& target,
                                                       std::shared_ptr<runtime::TlsServerContext> context,
                                                       const runtime::grpc::ServiceTable& table, const Limits& limits,
                                                       runtime::Logger log) {
  STEEPLE_TRY(endpoint, resolve(loop, target));
  std::unique_ptr<TcpListener> listener(
      new TcpListener(loop, std::move(context), table, tcp_options(limits), std::move(log)));
  tcp::acceptor& acceptor = listener->acceptor_;
  boost::system::error_code failed;
  acceptor.open(endpoint.protocol(), failed);
  if (!failed) acceptor.set_option(tcp::acceptor::reuse_address(true), failed);
  if (!failed) acceptor.bind(endpoint, failed);
  if (!failed) acceptor.listen(tcp::acceptor::max_listen_connections, failed);
  if (failed) {
    return Error(ErrorCode::kSystem,
                 fmt::format("listen tcp {}:{}: {}", target.address, target.port, failed.message()));
  }
  return listener;
}

std::string TcpListener::address() const {
  boost::system::error_code failed;
  tcp::endpoint local = acceptor_.local_endpoint(failed);
  return fmt::format("{}:{}", local.address().to_string(), local.port());
}

Task<void> TcpListener::serve() {
  while (!connections_.closed()) {
    auto [failed, socket] = co_await runtime::async_op<boost::system::error_code, tcp::socket>(
        [this](auto handler) { acceptor_.async_accept(std::move(handler)); }, connections_.token());
    if (connections_.closed()) co_return;
    if (failed) {
      log_.warning("Could not accept a connection", {{"error", failed.message()}});
      static_cast<void>(
          co_await runtime::sleep_until(loop_, runtime::Deadline::in(runtime::kAcceptPause), connections_.token()));
      continue;
    }
    // Above the limit the socket is closed at once; handshakes count, too.
    if (connections_.size() < kTcpConnectionsMax) connections_.spawn(serve_one(std::move(socket)));
  }
}

Task<void> TcpListener::serve_one(tcp::socket socket) {
  auto transport = co_await tls_.accept(std::move(socket), connections_.token());
  if (!transport) {
    log_.debug("TLS handshake failed", {{"error", transport.error()}});
    co_return;
  }
  co_await server_.serve(**transport, nullptr);
}

Task<void> TcpListener::stop() {
  boost::system::error_code ignored;
  connections_.close(StopReason::kShutdown);
  acceptor_.close(ignored);
  co_await server_.stop(stopping(), kFlushOnStop);
  co_await connections_.join();
}

PrivateListener::PrivateListener(runtime::Loop& loop, runtime::UnixListener listener,
                                 std::unique_ptr<runtime::EpollEngine> engine, const runtime::grpc::ServiceTable& table,
                                 runtime::Logger log)
    : listener_(std::move(listener)),
      engine_(std::move(engine)),
      server_(loop, table, private_options(), log),
      log_(std::move(log)),
      connections_(loop) {}

Result<std::unique_ptr<PrivateListener>> PrivateListener::bind(runtime::Loop& loop, const std::string& path,
                                                               const runtime::grpc::ServiceTable& table,
                                                               runtime::Logger log) {
  STEEPLE_CHECK(runtime::make_directories(runtime::parent_directory(path), kSocketDirectoryMode));
  STEEPLE_TRY(listener, runtime::UnixListener::bind(path, kSocketMode));
  STEEPLE_TRY(engine, runtime::EpollEngine::create(loop));
  return std::unique_ptr<PrivateListener>(
      new PrivateListener(loop, std::move(listener), std::move(engine), table, std::move(log)));
}

Task<void> PrivateListener::serve() {
  runtime::Logger log = log_;
  runtime::Acceptor<runtime::EpollEngine> acceptor(*engine_, listener_.fd(), [log](const Error& refused) {
    log.warning("Could not accept a connection", {{"error", refused}});
  });
  while (true) {
    auto accepted = co_await acceptor.accept(connections_.token());
    if (!accepted) break;
    connections_.spawn(serve_one(std::move(*accepted)));
  }
  co_await acceptor.close();
}

Task<void> PrivateListener::serve_one(runtime::Accepted<runtime::EpollConnection> accepted) {
  co_await server_.serve(*accepted.connection, &accepted.peer);
}

Task<void> PrivateListener::stop() {
  connections_.close(StopReason::kShutdown);
  co_await server_.stop(stopping(), kFlushOnStop);
  co_await connections_.join();
  listener_.close();
}

}  // namespace steeple::devserver
