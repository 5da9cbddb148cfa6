// Requests over TLS on kept connections: trust, client certificates, bodies, sinks and verifiers.
#include <catch2/catch.hpp>

#include "runtime/http1/client.h"
#include "runtime/task/blocking.h"
#include "tests/fakes/https_server.h"

using namespace steeple::runtime;
using namespace steeple::testing;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""ms;

namespace {

struct Own {
  Loop own_loop;
};

// A server whose certificate has no name, and a client of it.
class TlsBench : Own, public HttpsServer {
 public:
  TlsBench() : HttpsServer(own_loop, {}) {}
  Result<HttpResponse> send(HttpRequest request) {
    request.url = "https://127.0.0.1:" + std::to_string(port()) + "/pods";
    return run_until_done(loop, client.send(std::move(request), Deadline::in(10s), {}));
  }
  WorkerPool workers{loop, 1, 8};
  HttpClient client{loop, workers};
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
  TlsBench bench;
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
  CHECK(seen.front() == to_bytes(bench.leaf->certificate.der()));
  auto refusing = std::make_shared<HttpTls>();
  refusing->verifier = [](std::span<const Bytes>) -> Result<void> { return Error(ErrorCode::kUntrusted, "not mine"); };
  auto refused = bench.send(with_tls(refusing));
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kUntrusted);
  CHECK(refused.error().message().ends_with("/pods\": not mine"));
}
