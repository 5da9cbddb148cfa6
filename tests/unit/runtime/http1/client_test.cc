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

TEST_CASE("Headers are kept where they are asked for, each of a repeated one") {
  LocalBench bench;
  const std::string answer =
      "HTTP/1.1 401 No\r\nWWW-Authenticate:  Basic a \r\nContent-Length: 0\r\nwww-authenticate: b\r\n\r\n";
  HttpRequest request = to("http://h/");
  request.keep_headers = true;
  auto kept = bench.get(request, answer);
  REQUIRE(kept);
  CHECK(kept->header("www-authenticate") == std::vector<std::string>{"Basic a", "b"});
  CHECK(kept->header("location").empty());
  request.keep_headers = false;
  CHECK(bench.get(request, answer)->headers.empty());
  request.keep_headers = true;
  auto bounded = bench.get(
      request, "HTTP/1.1 200 OK\r\nX: " + std::string(kHttpHeaderBytesMax, 'x') + "\r\nContent-Length: 0\r\n\r\n");
  REQUIRE(bounded);
  CHECK(bounded->header("x").empty());
  CHECK(bounded->header("content-length").size() == 1);
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
