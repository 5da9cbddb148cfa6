// Requests against small servers on the same loop.
#include "runtime/http1/client.h"

#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <fstream>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/tls/tls_transport.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::runtime;
using namespace steeple::testing;
using boost::asio::ip::tcp;
using Local = boost::asio::local::stream_protocol;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

namespace {

Task<void> serve_local(Loop& loop, Local::acceptor& acceptor, std::string answer, std::string& request) {
  Local::socket socket(loop.io());
  co_await async_op<boost::system::error_code>(
      [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); });
  co_await async_op<boost::system::error_code, std::size_t>([&](auto handler) {
    boost::asio::async_read_until(socket, boost::asio::dynamic_buffer(request), "\r\n\r\n", std::move(handler));
  });
  if (answer.empty()) {  // silence, until the client goes
    char byte;
    co_await async_op<boost::system::error_code, std::size_t>(
        [&](auto handler) { socket.async_read_some(boost::asio::buffer(&byte, 1), std::move(handler)); });
    co_return;
  }
  co_await async_op<boost::system::error_code, std::size_t>(
      [&](auto handler) { boost::asio::async_write(socket, boost::asio::buffer(answer), std::move(handler)); });
}

Task<void> serve_tls(Loop& loop, tcp::acceptor& acceptor, std::shared_ptr<TlsServerContext> context,
                     std::string answer) {
  tcp::socket socket(loop.io());
  co_await async_op<boost::system::error_code>(
      [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); });
  auto transport = co_await TlsAcceptor(loop, context).accept(std::move(socket), {});
  if (!transport) co_return;
  std::string request;
  while (request.find("\r\n\r\n") == std::string::npos) {
    auto bytes = co_await (*transport)->receive();
    if (!bytes || bytes->end_of_stream()) break;
    request += as_text(bytes->view());
  }
  Result<void> ignored = co_await (*transport)->send(as_bytes(answer));
  static_cast<void>(ignored.has_value());
  co_await (*transport)->close();
}

class LocalBench {
 public:
  LocalBench() : path("/tmp/steeple-http1-" + std::to_string(getpid()) + ".sock"), acceptor(loop.io()) {
    unlink(path.c_str());
    acceptor.open();
    acceptor.bind(Local::endpoint(path));
    acceptor.listen();
  }
  ~LocalBench() { unlink(path.c_str()); }

  Result<HttpResponse> get(HttpRequest request, std::string answer, Deadline deadline = Deadline::in(10s),
                           StopToken stop = {}) {
    seen.clear();
    TaskGroup group(loop);
    group.spawn(serve_local(loop, acceptor, std::move(answer), seen));
    request.unix_socket = path;
    HttpClient client(loop, workers);
    auto result = run_until_done(loop, client.send(std::move(request), deadline, stop));
    run_until_done(loop, group.join());
    return result;
  }

  std::string path;
  Loop loop;
  Local::acceptor acceptor;
  WorkerPool workers{loop, 1, 8};
  std::string seen;
};

HttpRequest to(std::string url) {
  HttpRequest request;
  request.url = std::move(url);
  return request;
}

}  // namespace

TEST_CASE("GET over a Unix socket goes there whatever host the URL names") {
  LocalBench bench;
  HttpRequest request = to("http://bundle.test/path?spire-attest-mode=bootstrap");
  request.headers = {"X-Test: 1"};
  auto answer = bench.get(std::move(request), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  REQUIRE(answer);
  CHECK(answer->status_code == 200);
  CHECK(answer->status == "200 OK");
  CHECK(answer->body == "hello");
  CHECK(bench.seen.starts_with("GET /path?spire-attest-mode=bootstrap HTTP/1.1\r\nHost: bundle.test\r\n"));
  CHECK(bench.seen.find("X-Test: 1\r\n") != std::string::npos);
}

TEST_CASE("Any status is an answer") {
  LocalBench bench;
  auto answer = bench.get(to("http://h/"), "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  REQUIRE(answer);
  CHECK(answer->status_code == 404);
  CHECK(answer->status == "404 Not Found");
}

TEST_CASE("A body above the limit is refused") {
  LocalBench bench;
  HttpRequest request = to("http://h/");
  request.body_size_max = 4;
  auto answer = bench.get(std::move(request), "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code() == ErrorCode::kLimit);
}

TEST_CASE("A truncated body is an error") {
  LocalBench bench;
  auto answer = bench.get(to("http://h/"), "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code() == ErrorCode::kUnavailable);
}

TEST_CASE("A silent server meets the deadline, and a stop ends the wait at once") {
  LocalBench bench;
  auto late = bench.get(to("http://h/"), "", Deadline::in(40ms));
  REQUIRE_FALSE(late);
  CHECK(late.error().code() == ErrorCode::kDeadline);
  StopSource stop;
  bench.loop.post([&] { stop.request_stop(StopReason::kShutdown); });
  SteadyTime before = bench.loop.now();
  bench.seen.clear();
  LocalBench* silent = &bench;
  TaskGroup group(silent->loop);
  HttpClient client(silent->loop, silent->workers);
  HttpRequest request = to("http://h/");
  request.unix_socket = silent->path;
  auto stopped = run_until_done(silent->loop, client.send(std::move(request), Deadline::in(30s), stop.token()));
  REQUIRE_FALSE(stopped);
  CHECK(stopped.error().code() == ErrorCode::kCancelled);
  CHECK(silent->loop.now() - before < 5s);
}

TEST_CASE("A missing socket is unavailable, an odd URL invalid") {
  Loop loop;
  WorkerPool workers(loop, 1, 8);
  HttpClient client(loop, workers);
  HttpRequest request = to("http://h/");
  request.unix_socket = "/tmp/steeple-http1-missing.sock";
  auto missing = run_until_done(loop, client.send(std::move(request), Deadline::in(5s), {}));
  REQUIRE_FALSE(missing);
  CHECK(missing.error().code() == ErrorCode::kUnavailable);
  auto plain = run_until_done(loop, client.send(to("http://127.0.0.1:1/"), Deadline::in(5s), {}));
  REQUIRE_FALSE(plain);
  CHECK(plain.error().code() == ErrorCode::kInvalidArgument);
  auto file = run_until_done(loop, client.send(to("file:///etc/hostname"), Deadline::in(5s), {}));
  REQUIRE_FALSE(file);
  CHECK(file.error().code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("HTTPS trusts the given roots only, and does not leave TLS by a redirect") {
  Loop loop;
  WorkerPool workers(loop, 1, 8);
  tcp::acceptor acceptor(loop.io(), tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  WallTime now = std::chrono::system_clock::now();
  Authority authority = new_authority(now);
  PrivateKey key = new_key();
  CertificateTemplate wanted = leaf_template(key, "", now);
  wanted.dns_sans = {"localhost"};
  Leaf leaf{sign(wanted, authority.key, &authority.certificate), key};
  std::string ca_file = "/tmp/steeple-http1-ca-" + std::to_string(getpid()) + ".pem";
  std::ofstream(ca_file) << to_pem(authority.certificate);
  TlsServerContext::Options options;
  options.alpn = "";
  options.identity = [&] { return std::optional(identity_of(leaf)); };
  options.verifier = [](std::span<const Bytes>) -> Result<void> { return {}; };
  auto context = *TlsServerContext::make(options);
  std::string url = "https://localhost:" + std::to_string(acceptor.local_endpoint().port()) + "/bundle";
  HttpClient client(loop, workers);
  auto fetch = [&](std::string answer, bool trusted) {
    TaskGroup group(loop);
    group.spawn(serve_tls(loop, acceptor, context, std::move(answer)));
    HttpRequest request = to(url);
    if (trusted) {
      auto tls = std::make_shared<HttpTls>();
      tls->ca_file = ca_file;
      request.tls = std::move(tls);
    }
    auto result = run_until_done(loop, client.send(std::move(request), Deadline::in(10s), {}));
    run_until_done(loop, group.join());
    return result;
  };
  auto good = fetch("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", true);
  REQUIRE(good);
  CHECK(good->body == "ok");
  auto untrusted = fetch("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", false);
  REQUIRE_FALSE(untrusted);
  CHECK(untrusted.error().code() == ErrorCode::kTls);
  auto redirected = fetch(
      "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", true);
  REQUIRE_FALSE(redirected);
  CHECK(redirected.error().code() == ErrorCode::kInvalidArgument);
  unlink(ca_file.c_str());
}

namespace {

// Serves TLS on the loop: each connection answers `answers` in turn, keeping it open; counts handshakes and keeps what
// it was asked and the client's chain.
class TlsBench {
 public:
  TlsBench() {
    TlsServerContext::Options options;
    options.alpn = "";
    options.identity = [this] { return std::optional(identity_of(leaf)); };
    options.verifier = [this](std::span<const Bytes> chain) -> Result<void> {
      client_chain_size = chain.size();
      return {};
    };
    context = *TlsServerContext::make(options);
  }
  ~TlsBench() {
    group.close(StopReason::kShutdown);
    boost::system::error_code ignored;
    acceptor.close(ignored);
    run_until_done(loop, group.join());
  }
  Result<HttpResponse> send(HttpRequest request) {
    if (!started) group.spawn(accept());
    started = true;
    request.url = "https://127.0.0.1:" + std::to_string(acceptor.local_endpoint().port()) + "/pods";
    return run_until_done(loop, client.send(std::move(request), Deadline::in(10s), {}));
  }
  Task<void> accept() {
    while (!group.token().stop_requested()) {
      tcp::socket socket(loop.io());
      auto [error] = co_await async_op<boost::system::error_code>(
          [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); }, group.token());
      if (error) co_return;
      group.spawn(serve(std::move(socket)));
    }
  }
  Task<void> serve(tcp::socket socket) {
    auto transport = co_await TlsAcceptor(loop, context).accept(std::move(socket), group.token());
    if (!transport) co_return;
    ++handshakes;
    std::optional<StopCallback> on_stop;
    on_stop.emplace(group.token(), [&](StopReason reason) { (*transport)->cancel(reason); });
    while (co_await answer_one(**transport)) {
    }
    on_stop.reset();
    co_await (*transport)->close();
  }
  Task<bool> answer_one(Transport& transport) {
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos || !request.ends_with(request_end)) {
      auto bytes = co_await transport.receive();
      if (!bytes || bytes->end_of_stream()) co_return false;
      request += as_text(bytes->view());
    }
    requests.push_back(std::move(request));
    Result<void> sent = co_await transport.send(as_bytes(answer));
    co_return sent.has_value();
  }

  Loop loop;
  WorkerPool workers{loop, 1, 8};
  HttpClient client{loop, workers};
  tcp::acceptor acceptor{loop.io(), tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  WallTime now = std::chrono::system_clock::now();
  Authority authority = new_authority(now);
  Leaf leaf = new_leaf(authority, "spiffe://example.org/kubelet", now);
  std::shared_ptr<TlsServerContext> context;
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  std::string request_end = "\r\n\r\n";
  std::vector<std::string> requests;
  std::size_t client_chain_size = 0;
  int handshakes = 0;
  TaskGroup group{loop};
  bool started = false;
};

HttpRequest with_tls(std::shared_ptr<const HttpTls> tls) {
  HttpRequest request;
  request.tls = std::move(tls);
  return request;
}

}  // namespace

TEST_CASE("A second request to the same place under the same settings pays no handshake") {
  TlsBench bench;
  auto tls = std::make_shared<HttpTls>();
  tls->verify = HttpVerify::kNone;
  for (int i = 0; i < 3; ++i) REQUIRE(bench.send(with_tls(tls)));
  CHECK(bench.handshakes == 1);
  CHECK(bench.client.idle_connections() == 1);
  auto other = std::make_shared<HttpTls>();
  other->verify = HttpVerify::kNone;
  REQUIRE(bench.send(with_tls(other)));
  CHECK(bench.handshakes == 2);
  CHECK(bench.requests.size() == 4);
}

TEST_CASE("Verification: chain only overlooks the name, full does not, none overlooks the chain") {
  TlsBench bench;  // its certificate has no name but a SPIFFE ID
  auto chain_only = std::make_shared<HttpTls>();
  chain_only->verify = HttpVerify::kChainOnly;
  chain_only->ca_pem = to_pem(bench.authority.certificate);
  CHECK(bench.send(with_tls(chain_only)));
  auto full = std::make_shared<HttpTls>();
  full->ca_pem = chain_only->ca_pem;
  auto refused = bench.send(with_tls(full));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kTls);
  auto wrong = std::make_shared<HttpTls>();
  wrong->verify = HttpVerify::kChainOnly;
  wrong->ca_pem = to_pem(new_authority(bench.now).certificate);
  refused = bench.send(with_tls(wrong));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kTls);
}

TEST_CASE("A client certificate from memory is presented; a broken one is an invalid argument") {
  TlsBench bench;
  Leaf client = new_leaf(bench.authority, "spiffe://example.org/agent", bench.now);
  auto tls = std::make_shared<HttpTls>();
  tls->verify = HttpVerify::kNone;
  tls->certificate_pem = to_pem(client.certificate);
  tls->private_key_pem = SecretBytes(as_bytes(client.key.to_pem()));
  REQUIRE(bench.send(with_tls(tls)));
  CHECK(bench.client_chain_size == 1);
  auto broken = std::make_shared<HttpTls>();
  broken->verify = HttpVerify::kNone;
  broken->certificate_pem = "nonsense";
  auto refused = bench.send(with_tls(broken));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("A body is sent with its method and length") {
  TlsBench bench;
  auto tls = std::make_shared<HttpTls>();
  tls->verify = HttpVerify::kNone;
  HttpRequest request = with_tls(tls);
  request.method = "PATCH";
  request.body = "{\"a\":1}";
  request.headers = {"Content-Type: application/strategic-merge-patch+json"};
  bench.request_end = request.body;
  REQUIRE(bench.send(std::move(request)));
  CHECK(bench.requests.back().starts_with("PATCH /pods HTTP/1.1\r\n"));
  CHECK(bench.requests.back().find("Content-Length: 7\r\n") != std::string::npos);
  CHECK(bench.requests.back().find("Content-Type: application/strategic-merge-patch+json\r\n") != std::string::npos);
}

TEST_CASE("A sink gets a 200 body in pieces, its error ends the request, and a refusal keeps its text") {
  LocalBench bench;
  std::string got;
  HttpRequest request = to("http://h/");
  request.sink = [&](std::string_view piece) -> Result<void> {
    got += piece;
    return {};
  };
  auto answer = bench.get(request, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  REQUIRE(answer);
  CHECK(answer->body.empty());
  CHECK(got == "hello");
  answer = bench.get(request, "HTTP/1.1 403 Forbidden\r\nContent-Length: 4\r\n\r\nno!\n");
  REQUIRE(answer);
  CHECK(answer->body == "no!\n");
  CHECK(got == "hello");
  std::string endless(kHttpRefusalBodyMax * 2, 'x');
  answer = bench.get(request, "HTTP/1.1 500 Oops\r\nContent-Length: 200000000\r\n\r\n" + endless);
  REQUIRE(answer);
  CHECK(answer->body.size() == kHttpRefusalBodyMax);
  request.body_size_max = 4;
  answer = bench.get(request, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  REQUIRE_FALSE(answer);
  CHECK(answer.error().code() == ErrorCode::kLimit);
  request.body_size_max = 100;
  request.sink = [](std::string_view) -> Result<void> { return Error(ErrorCode::kMalformed, "not JSON"); };
  answer = bench.get(request, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello");
  REQUIRE_FALSE(answer);
  CHECK(answer.error() == Error(ErrorCode::kMalformed, "not JSON"));
}

TEST_CASE("A redirect is an answer where following it was not asked for") {
  LocalBench bench;
  HttpRequest request = to("http://h/");
  request.follow_redirects = false;
  auto answer =
      bench.get(std::move(request), "HTTP/1.1 302 Found\r\nLocation: http://h/b\r\nContent-Length: 0\r\n\r\n");
  REQUIRE(answer);
  CHECK(answer->status_code == 302);
}

TEST_CASE("A verifier alone decides about the server, and its error reaches the caller with its code") {
  TlsBench bench;
  auto accepting = std::make_shared<HttpTls>();
  std::vector<Bytes> seen;
  accepting->verifier = [&](std::span<const Bytes> chain) -> Result<void> {
    seen.assign(chain.begin(), chain.end());
    return {};
  };
  auto answered = bench.send(with_tls(accepting));
  REQUIRE(answered);
  CHECK(answered->body == "hello");
  REQUIRE(seen.size() == 1);
  CHECK(seen.front() == to_bytes(bench.leaf.certificate.der()));
  auto refusing = std::make_shared<HttpTls>();
  refusing->verifier = [](std::span<const Bytes>) -> Result<void> { return Error(ErrorCode::kUntrusted, "not mine"); };
  auto refused = bench.send(with_tls(refusing));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kUntrusted);
  CHECK(refused.error().message().ends_with("/pods\": not mine"));
}
