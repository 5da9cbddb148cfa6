// Client and server over a loopback socket, on one loop.
#include <openssl/ssl.h>

#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch.hpp>
#include <optional>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"
#include "runtime/tls/tls_transport.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::runtime;
using namespace steeple::testing;
using boost::asio::ip::tcp;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

namespace {

Result<void> accept_any(std::span<const Bytes>) { return {}; }

struct Pair {
  Result<std::unique_ptr<Transport>> client = Error(ErrorCode::kInternal, "not run");
  Result<std::unique_ptr<Transport>> server = Error(ErrorCode::kInternal, "not run");
};

Task<void> accept_one(Loop& loop, tcp::acceptor& acceptor, std::shared_ptr<TlsServerContext> context, Pair& out) {
  tcp::socket socket(loop.io());
  auto [error] = co_await async_op<boost::system::error_code>(
      [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); });
  REQUIRE_FALSE(error);
  out.server = co_await TlsAcceptor(loop, context).accept(std::move(socket), {});
}

Task<int> connect_both(Loop& loop, tcp::acceptor& acceptor, std::shared_ptr<TlsServerContext> server,
                       std::shared_ptr<TlsClientContext> client, Pair& out) {
  TaskGroup group(loop);
  group.spawn(accept_one(loop, acceptor, server, out));
  TlsConnector connector(loop, {"127.0.0.1", acceptor.local_endpoint().port()}, client);
  out.client = co_await connector.connect(Deadline::in(10s), {});
  co_await group.join();
  co_return 0;
}

Task<int> close_both(Pair& pair) {
  if (pair.client) co_await (*pair.client)->close();
  if (pair.server) co_await (*pair.server)->close();
  co_return 0;
}

class Bench {
 public:
  Bench() : acceptor(loop.io(), tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)) {
    server_options.identity = [this] { return std::optional(identity_of(server_leaf)); };
    server_options.verifier = accept_any;
    client_options.verifier = accept_any;
  }
  Pair connect() {
    Pair pair;
    run_until_done(loop, connect_both(loop, acceptor, *TlsServerContext::make(server_options),
                                      *TlsClientContext::make(client_options), pair));
    return pair;
  }
  void close(Pair& pair) { run_until_done(loop, close_both(pair)); }

  Loop loop;
  tcp::acceptor acceptor;
  Authority authority = new_authority(std::chrono::system_clock::now());
  Leaf server_leaf = new_leaf(authority, "spiffe://example.org/spire/server", std::chrono::system_clock::now());
  Leaf client_leaf = new_leaf(authority, "spiffe://example.org/agent", std::chrono::system_clock::now());
  TlsServerContext::Options server_options;
  TlsClientContext::Options client_options;
};

Task<std::string> receive_exactly(Transport& transport, std::size_t size) {
  std::string out;
  while (out.size() < size) {
    Result<ReceivedBytes> bytes = co_await transport.receive();
    REQUIRE(bytes);
    REQUIRE_FALSE(bytes->end_of_stream());
    out += as_text(bytes->view());
  }
  co_return out;
}

Task<void> send_all(Transport& transport, std::string text, bool& sent) {
  Result<void> done = co_await transport.send(as_bytes(text));
  sent = done.has_value();
}

Task<int> exchange(Loop& loop, Transport& from, Transport& to, std::string text) {
  TaskGroup group(loop);
  bool sent = false;
  group.spawn(send_all(from, text, sent));
  std::string received = co_await receive_exactly(to, text.size());
  co_await group.join();
  CHECK(sent);
  CHECK((received == text));
  co_return 0;
}

}  // namespace

TEST_CASE("Bytes go both ways, also more than the socket's buffers hold") {
  Bench bench;
  Pair pair = bench.connect();
  REQUIRE(pair.client);
  REQUIRE(pair.server);
  CHECK((*pair.client)->peer_certificates().size() == 1);
  CHECK((*pair.server)->peer_certificates().empty());
  run_until_done(bench.loop, exchange(bench.loop, **pair.client, **pair.server, "hello"));
  run_until_done(bench.loop, exchange(bench.loop, **pair.server, **pair.client, std::string(5 << 20, 'x')));
  bench.close(pair);
}

namespace {
Task<int> try_send_until_full(Loop& loop, Transport& from, Transport& to) {
  std::string chunk(64 * 1024, 'y');
  std::size_t total = 0;
  for (;;) {
    Result<std::size_t> taken = from.try_send(as_bytes(chunk));
    REQUIRE(taken);
    total += *taken;
    if (*taken == 0) break;
  }
  CHECK(total > chunk.size());
  // What was taken arrives without another call, then send() goes on behind it.
  std::string received = co_await receive_exactly(to, total);
  CHECK(received.size() == total);
  co_await exchange(loop, from, to, std::string(100, 'z'));
  co_return 0;
}
}  // namespace

TEST_CASE("try_send takes what fits, and what it took is sent by itself") {
  Bench bench;
  Pair pair = bench.connect();
  REQUIRE(pair.client);
  run_until_done(bench.loop, try_send_until_full(bench.loop, **pair.client, **pair.server));
  bench.close(pair);
}

TEST_CASE("Both sides see the other's certificate, and a changed identity counts from the next handshake") {
  Bench bench;
  Leaf current = bench.client_leaf;
  int asked = 0;
  bench.client_options.identity = [&] {
    ++asked;
    return std::optional(identity_of(current));
  };
  std::vector<Bytes> seen;
  bench.server_options.verifier = [&](std::span<const Bytes> chain) -> Result<void> {
    seen.assign(chain.begin(), chain.end());
    return {};
  };
  Pair first = bench.connect();
  REQUIRE(first.server);
  CHECK(seen == std::vector<Bytes>{to_bytes(bench.client_leaf.certificate.der())});
  CHECK((*first.server)->peer_certificates() == seen);
  bench.close(first);
  current = new_leaf(bench.authority, "spiffe://example.org/renewed", std::chrono::system_clock::now());
  Pair second = bench.connect();
  REQUIRE(second.server);
  CHECK(seen == std::vector<Bytes>{to_bytes(current.certificate.der())});
  CHECK(asked == 2);
  bench.close(second);
}

TEST_CASE("A verifier's error ends the handshake and keeps its code") {
  Bench bench;
  bench.client_options.verifier = [](std::span<const Bytes>) -> Result<void> {
    return Error(ErrorCode::kUntrusted, "x509: certificate signed by unknown authority");
  };
  Pair pair = bench.connect();
  REQUIRE_FALSE(pair.client);
  CHECK(pair.client.error().code() == ErrorCode::kUntrusted);
  CHECK(pair.client.error().message() ==
        "authentication handshake failed: x509: certificate signed by unknown authority");
  REQUIRE_FALSE(pair.server);
  CHECK(pair.server.error().message() == "TLS handshake: remote error: tls: bad certificate");
}

TEST_CASE("The path is verified with expired and untrusted told apart") {
  Bench bench;
  Authority other = new_authority();
  Certificates roots{bench.authority.certificate};
  WallTime now = std::chrono::system_clock::now();
  bench.client_options.verifier = [&](std::span<const Bytes> chain) -> Result<void> {
    return verify_chain(*Certificate::parse(chain.front()), {}, roots, now);
  };
  Pair good = bench.connect();
  REQUIRE(good.client);
  bench.close(good);
  now += 2h;
  Pair expired = bench.connect();
  REQUIRE_FALSE(expired.client);
  CHECK(expired.client.error().code() == ErrorCode::kTls);
  now -= 2h;
  roots = {other.certificate};
  Pair untrusted = bench.connect();
  REQUIRE_FALSE(untrusted.client);
  CHECK(untrusted.client.error().code() == ErrorCode::kUntrusted);
}

TEST_CASE("A server may refuse a client without certificate") {
  Bench bench;
  bench.server_options.verifier = [](std::span<const Bytes> chain) -> Result<void> {
    if (chain.empty()) return Error(ErrorCode::kUnauthenticated, "no client certificate");
    return {};
  };
  Pair pair = bench.connect();
  REQUIRE_FALSE(pair.server);
  CHECK(pair.server.error().code() == ErrorCode::kUnauthenticated);
  if (pair.client) bench.close(pair);
}

namespace {
Task<int> expect_alert(Transport& client) {
  Result<ReceivedBytes> answer = co_await client.receive();
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code() == ErrorCode::kTls);
  CHECK(answer.error().message() == "remote error: tls: bad certificate");
  co_return 0;
}
}  // namespace

TEST_CASE("A refused client certificate shows in the client's first read") {
  Bench bench;
  bench.client_options.identity = [&] { return std::optional(identity_of(bench.client_leaf)); };
  bench.server_options.verifier = [](std::span<const Bytes> chain) -> Result<void> {
    if (!chain.empty()) return Error(ErrorCode::kUnauthenticated, "not you");
    return {};
  };
  Pair pair = bench.connect();
  REQUIRE_FALSE(pair.server);
  REQUIRE(pair.client);  // TLS 1.3: the client's handshake is over before the server has looked
  run_until_done(bench.loop, expect_alert(**pair.client));
  bench.close(pair);
}

TEST_CASE("ALPN must match on both sides") {
  Bench bench;
  bench.client_options.alpn = "http/1.1";
  Pair other = bench.connect();
  REQUIRE_FALSE(other.client);
  CHECK(other.client.error().message() ==
        "authentication handshake failed: remote error: tls: no application protocol");
  CHECK_FALSE(other.server);
  bench.client_options.alpn = "";
  Pair none = bench.connect();
  REQUIRE_FALSE(none.server);
  CHECK(none.server.error().message() ==
        "TLS handshake: credentials: cannot check peer: missing selected ALPN property");
  if (none.client) bench.close(none);
}

TEST_CASE("A server without an identity fails the handshake") {
  Bench bench;
  bench.server_options.identity = []() -> std::optional<TlsIdentity> { return std::nullopt; };
  Pair pair = bench.connect();
  CHECK_FALSE(pair.client);
  CHECK_FALSE(pair.server);
}

namespace {
Task<Result<std::unique_ptr<Transport>>> connect_only(Loop& loop, TlsConnector::Target target,
                                                      std::shared_ptr<TlsClientContext> context,
                                                      std::chrono::milliseconds limit) {
  TlsConnector connector(loop, std::move(target), context);
  co_return co_await connector.connect(Deadline::after(loop.now(), limit), {});
}

Task<int> answer_garbage(Loop& loop, tcp::acceptor& acceptor) {
  tcp::socket socket(loop.io());
  co_await async_op<boost::system::error_code>(
      [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); });
  static const std::string text = "HTTP/1.1 400 Bad Request\r\n\r\n";
  socket.write_some(boost::asio::buffer(text));
  char buffer[2048];
  co_await async_op<boost::system::error_code, std::size_t>(
      [&](auto handler) { socket.async_read_some(boost::asio::buffer(buffer), std::move(handler)); });
  co_return 0;
}

Task<void> ignore_value(Task<int> task) { co_await std::move(task); }

Task<Result<std::unique_ptr<Transport>>> connect_to_garbage(Loop& loop, tcp::acceptor& acceptor,
                                                            std::shared_ptr<TlsClientContext> context) {
  TaskGroup group(loop);
  group.spawn(ignore_value(answer_garbage(loop, acceptor)));
  TlsConnector connector(loop, {"127.0.0.1", acceptor.local_endpoint().port()}, context);
  auto result = co_await connector.connect(Deadline::in(5s), {});
  co_await group.join();
  co_return std::move(result);
}
}  // namespace

TEST_CASE("Connection failures read as Go's") {
  Bench bench;
  auto context = *TlsClientContext::make(bench.client_options);
  std::uint16_t port = 0;
  {
    tcp::acceptor closed(bench.loop.io(), tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
    port = closed.local_endpoint().port();
  }
  auto refused = run_until_done(bench.loop, connect_only(bench.loop, {"127.0.0.1", port}, context, 5000ms));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kUnavailable);
  CHECK(refused.error().message() == "dial tcp 127.0.0.1:" + std::to_string(port) + ": connect: connection refused");

  auto garbage = run_until_done(bench.loop, connect_to_garbage(bench.loop, bench.acceptor, context));
  REQUIRE_FALSE(garbage);
  CHECK(garbage.error().message() ==
        "authentication handshake failed: tls: first record does not look like a TLS handshake");
}

TEST_CASE("A server that accepts and says nothing meets the deadline") {
  Bench bench;
  auto context = *TlsClientContext::make(bench.client_options);
  auto silent = run_until_done(
      bench.loop, connect_only(bench.loop, {"127.0.0.1", bench.acceptor.local_endpoint().port()}, context, 300ms));
  REQUIRE_FALSE(silent);
  CHECK(silent.error().code() == ErrorCode::kDeadline);
  CHECK(silent.error().message() == "authentication handshake failed: context deadline exceeded");
}

TEST_CASE("Names are resolved at each connect") {
  Bench bench;
  auto context = *TlsClientContext::make(bench.client_options);
  Pair pair;
  TaskGroup group(bench.loop);
  group.spawn(accept_one(bench.loop, bench.acceptor, *TlsServerContext::make(bench.server_options), pair));
  auto named = run_until_done(
      bench.loop, connect_only(bench.loop, {"localhost", bench.acceptor.local_endpoint().port()}, context, 5000ms));
  REQUIRE(named);
  bench.close(pair);
  Pair rest;
  rest.client = std::move(named);
  bench.close(rest);
  run_until_done(bench.loop, group.join());
  group.close(StopReason::kShutdown);
}

namespace {
Task<int> cancel_receive(Loop& loop, Transport& transport) {
  Timeout timeout(loop, Deadline::after(loop.now(), 10ms), {});
  StopCallback callback(timeout.token(), [&](StopReason) { transport.cancel(StopReason::kShutdown); });
  Result<ReceivedBytes> received = co_await transport.receive();
  REQUIRE_FALSE(received);
  CHECK(received.error().code() == ErrorCode::kCancelled);
  Result<void> sent = co_await transport.send(as_bytes("x"));
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code() == ErrorCode::kCancelled);
  CHECK_FALSE(transport.try_send(as_bytes("x")));
  co_return 0;
}

Task<int> receive_end(Transport& transport) {
  Result<ReceivedBytes> end = co_await transport.receive();
  REQUIRE(end);
  CHECK(end->end_of_stream());
  co_return 0;
}
}  // namespace

TEST_CASE("Cancel ends waits, close says goodbye") {
  Bench bench;
  Pair pair = bench.connect();
  REQUIRE(pair.client);
  REQUIRE(pair.server);
  run_until_done(bench.loop, cancel_receive(bench.loop, **pair.client));
  run_until_done(bench.loop, (*pair.client)->close());
  run_until_done(bench.loop, receive_end(**pair.server));
  run_until_done(bench.loop, (*pair.server)->close());
}

TEST_CASE("A client without the certificate that is required is refused by the handshake itself") {
  Bench bench;
  int asked = 0;
  bench.server_options.require_client_certificate = true;
  bench.server_options.verifier = [&](std::span<const Bytes>) -> Result<void> {
    ++asked;
    return {};
  };
  Pair refused = bench.connect();
  CHECK_FALSE(refused.server);
  CHECK(asked == 0);
  bench.close(refused);
  bench.client_options.identity = [&] { return std::optional(identity_of(bench.client_leaf)); };
  Pair accepted = bench.connect();
  CHECK(accepted.server);
  CHECK(asked == 1);
  bench.close(accepted);
}
