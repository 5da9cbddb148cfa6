// A server and its clients on one loop.
#include "runtime/http1/server.h"

#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::runtime;
using namespace steeple::testing;
using boost::asio::ip::tcp;
using SystemCode = boost::system::error_code;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

namespace {

HttpReply echo(const HttpServerRequest& request) {
  return {200, "text/plain", {}, request.method + " " + request.target + " " + request.body};
}

class Client {
 public:
  explicit Client(Loop& loop) : socket_(loop.io()) {}

  Task<void> connect(std::uint16_t port) {
    tcp::endpoint endpoint(boost::asio::ip::address_v4::loopback(), port);
    auto [failed] =
        co_await async_op<SystemCode>([&](auto handler) { socket_.async_connect(endpoint, std::move(handler)); });
    REQUIRE_FALSE(failed);
  }
  Task<void> send(std::string text) {
    co_await async_op<SystemCode, std::size_t>(
        [&](auto handler) { boost::asio::async_write(socket_, boost::asio::buffer(text), std::move(handler)); });
  }
  // What comes until `end` has come, or the end of the stream.
  Task<std::string> read_until(std::string end) {
    std::string text;
    char chunk[4096];
    while (end.empty() || text.find(end) == std::string::npos) {
      auto [failed, size] = co_await async_op<SystemCode, std::size_t>(
          [&](auto handler) { socket_.async_read_some(boost::asio::buffer(chunk), std::move(handler)); });
      if (failed) co_return text + "<end>";
      text.append(chunk, size);
    }
    co_return text;
  }
  Task<std::string> ask(std::uint16_t port, std::string request, std::string end) {
    co_await connect(port);
    co_await send(std::move(request));
    co_return co_await read_until(std::move(end));
  }

 private:
  tcp::socket socket_;
};

class Bench {
 public:
  explicit Bench(HttpServerOptions options = {}) : server(loop, std::move(options), echo, {}), tasks(loop) {
    Result<void> bound = run_until_done(loop, server.bind("localhost", 0, {}));
    REQUIRE(bound);
    tasks.spawn(server.serve());
  }
  ~Bench() {
    run_until_done(loop, server.stop());
    run_until_done(loop, tasks.join());
  }
  std::string ask(std::string request, std::string end = "") {
    Client client(loop);
    return run_until_done(loop, client.ask(server.port(), std::move(request), std::move(end)));
  }
  // Runs the loop until the server has this many connections.
  void wait_for_connections(std::size_t count) {
    for (int i = 0; server.connections() != count && i < 2000; ++i) {
      static_cast<void>(run_until_done(loop, sleep_until(loop, Deadline::in(10ms), {})));
    }
    CHECK(server.connections() == count);
  }

  Loop loop;
  HttpServer server;
  TaskGroup tasks;
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("Requests are answered one after the other on a kept connection") {
  Bench bench;
  const std::string answers =
      bench.ask("GET /a HTTP/1.1\r\n\r\nPOST /b HTTP/1.1\r\nContent-Length: 2\r\nConnection: close\r\n\r\nxy");
  CHECK(contains(answers, "\r\n\r\nGET /a HTTP/1.1 200 OK\r\n"));
  CHECK(answers.ends_with("Connection: close\r\n\r\nPOST /b xy<end>"));
}

TEST_CASE("A malformed request is refused and the connection closed") {
  Bench bench;
  const std::string answer = bench.ask("nonsense\r\n\r\n");
  CHECK(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"));
  CHECK(answer.ends_with("\r\n\r\n400 Bad Request<end>"));
}

TEST_CASE("A client that sends its request too slowly, or none, loses its connection") {
  HttpServerOptions options;
  options.request_timeout = 30ms;
  options.idle_timeout = 60ms;
  Bench bench(options);
  CHECK(bench.ask("") == "<end>");
  CHECK(bench.ask("GET / HT") == "<end>");
  CHECK(bench.ask("GET /idle HTTP/1.1\r\n\r\n").ends_with("GET /idle <end>"));
}

TEST_CASE("100 Continue comes before the body is asked for") {
  Bench bench;
  Client client(bench.loop);
  const std::string interim = run_until_done(
      bench.loop, client.ask(bench.server.port(),
                             "POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\n", "\r\n\r\n"));
  CHECK(interim == "HTTP/1.1 100 Continue\r\n\r\n");
  run_until_done(bench.loop, client.send("x"));
  CHECK(contains(run_until_done(bench.loop, client.read_until("POST / x")), "200 OK"));
}

TEST_CASE("A full server drops the connection that has been idle longest") {
  HttpServerOptions options;
  options.connections_max = 2;
  Bench bench(options);
  Client first(bench.loop), second(bench.loop), third(bench.loop);
  run_until_done(bench.loop, first.connect(bench.server.port()));
  bench.wait_for_connections(1);
  run_until_done(bench.loop, second.connect(bench.server.port()));
  bench.wait_for_connections(2);
  const std::string answer =
      run_until_done(bench.loop, third.ask(bench.server.port(), "GET /third HTTP/1.1\r\n\r\n", "/third"));
  CHECK(contains(answer, "200 OK"));
  CHECK(run_until_done(bench.loop, first.read_until("")) == "<end>");
  run_until_done(bench.loop, second.send("GET /second HTTP/1.1\r\n\r\n"));
  CHECK(contains(run_until_done(bench.loop, second.read_until("/second")), "200 OK"));
  bench.wait_for_connections(2);
}

TEST_CASE("An address in use, and a name that does not exist, are told as Go tells them") {
  Bench bench;
  HttpServer other(bench.loop, {}, echo, {});
  Result<void> taken = run_until_done(bench.loop, other.bind("127.0.0.1", bench.server.port(), {}));
  REQUIRE_FALSE(taken);
  CHECK(taken.error().message() ==
        "listen tcp 127.0.0.1:" + std::to_string(bench.server.port()) + ": bind: address already in use");
}

namespace {

struct TlsBench {
  explicit TlsBench(bool ask_client) {
    TlsServerContext::Options options;
    options.alpn.clear();
    options.identity = [this] { return std::optional(identity_of(server_leaf)); };
    options.ask_client_certificate = ask_client;
    options.verifier = [ask_client](std::span<const Bytes> chain) -> Result<void> {
      if (ask_client && chain.empty()) return Error(ErrorCode::kUntrusted, "no certificate");
      return {};
    };
    tls.tls = *TlsServerContext::make(std::move(options));
  }
  std::shared_ptr<TlsClientContext> client(bool with_identity) {
    TlsClientContext::Options options;
    options.alpn.clear();
    options.verifier = [](std::span<const Bytes>) { return Result<void>(); };
    if (with_identity) options.identity = [this] { return std::optional(identity_of(client_leaf)); };
    return *TlsClientContext::make(std::move(options));
  }
  Authority authority = new_authority(std::chrono::system_clock::now());
  Leaf server_leaf = new_leaf(authority, "spiffe://example.org/s", std::chrono::system_clock::now());
  Leaf client_leaf = new_leaf(authority, "spiffe://example.org/c", std::chrono::system_clock::now());
  HttpServerOptions tls;
};

Task<std::string> ask_tls(Loop& loop, std::uint16_t port, std::shared_ptr<TlsClientContext> context) {
  TlsConnector connector(loop, {"127.0.0.1", port}, std::move(context));
  auto transport = co_await connector.connect(Deadline::in(20s), {});
  if (!transport) co_return transport.error().message();
  std::string text;
  Result<void> sent = co_await (*transport)->send(as_bytes("GET /tls HTTP/1.1\r\nConnection: close\r\n\r\n"));
  while (sent) {
    Result<ReceivedBytes> received = co_await (*transport)->receive();
    if (!received || received->end_of_stream()) break;
    text += as_text(received->view());
  }
  co_await (*transport)->close();
  co_return text;
}

}  // namespace

TEST_CASE("TLS, with and without client certificates") {
  for (bool ask : {false, true}) {
    TlsBench tls(ask);
    Bench bench(tls.tls);
    const std::uint16_t port = bench.server.port();
    CHECK(contains(run_until_done(bench.loop, ask_tls(bench.loop, port, tls.client(true))), "GET /tls "));
    CHECK(contains(run_until_done(bench.loop, ask_tls(bench.loop, port, tls.client(false))), "GET /tls ") == !ask);
  }
}
