// Requests and watches against a small API server over TLS.
#include "attestation/kube/http_api.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "runtime/task/timeout.h"
#include "tests/fakes/https_server.h"
#include "tests/fakes/temporary_folder.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using steeple::testing::HttpsServer;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

std::string answer_of(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}
std::string refusal_of(const std::string& status, const std::string& message) {
  return answer_of(status, R"({"kind":"Status","message":")" + message + "\"}");
}
std::string chunk(const std::string& text) { return fmt::format("{:x}\r\n{}\r\n", text.size(), text); }
std::string event(const std::string& name) {
  return R"({"type":"ADDED","object":{"metadata":{"name":")" + name + "\"}}}\n";
}

constexpr char kChunked[] = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
constexpr char kLastChunk[] = "0\r\n\r\n";

KubeRequest request_of(const std::string& path, const std::string& accept = "application/json") {
  KubeRequest request;
  request.path = path;
  request.accept = accept;
  return request;
}

struct World {
  World() : server(loop) {
    std::ofstream(folder.path("ca.crt")) << to_pem(server.authority.certificate);
    std::ofstream(folder.path("config"))
        << "current-context: c\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n"
        << "clusters: [{name: c, cluster: {server: 'https://localhost:" << server.port()
        << "', certificate-authority: ca.crt}}]\nusers: [{name: u, user: {token: secret-token}}]\n";
    const auto no_environment = [](const std::string&) { return std::optional<std::string>(); };
    api.emplace(loop, http, KubeAccessSource(folder.path("config"), no_environment));
  }
  ~World() {
    stop.request_stop(StopReason::kShutdown);
    run_until_done(loop, tasks.join());
  }
  Result<std::string> call(KubeRequest request = request_of("/x")) {
    return run_until_done(loop, api->call(std::move(request), Deadline::in(20s), {}));
  }
  Error refusal(const std::string& answer) {
    server.answer = answer;
    auto done = call();
    REQUIRE_FALSE(done);
    return done.error();
  }
  void watch(Deadline deadline = Deadline::in(60s)) { tasks.spawn(follow(deadline)); }
  Task<void> follow(Deadline deadline) {
    const auto note = [this](const KubeEvent& event) { names += event.object.name + " "; };
    ended = co_await api->watch(request_of("/w?watch=true"), note, deadline, stop.token());
  }
  void until(const std::function<bool()>& condition) {
    for (int i = 0; i < 20'000 && !condition(); ++i) {
      REQUIRE(run_until_done(loop, sleep_until(loop, Deadline::in(1ms), {})));
    }
    REQUIRE(condition());
  }

  TemporaryFolder folder;
  Loop loop;
  HttpsServer server;
  WorkerPool workers{loop, 1, 8};
  HttpClient http{loop, workers};
  std::optional<HttpKubeApi> api;
  StopSource stop;
  TaskGroup tasks{loop};
  std::string names;
  std::optional<Result<void>> ended;
};

}  // namespace

TEST_CASE("API server: a request has the token and the wanted form; a body has its type") {
  World world;
  world.server.answer = answer_of("200 OK", "{}");
  CHECK(world.call(request_of("/api/v1/x", "application/json;as=Table")).value() == "{}");
  const std::string& get = world.server.requests.at(0);
  CHECK(get.starts_with("GET /api/v1/x HTTP/1.1\r\n"));
  CHECK(get.find("Authorization: Bearer secret-token\r\n") != std::string::npos);
  CHECK(get.find("Accept: application/json;as=Table\r\n") != std::string::npos);
  world.server.request_end = "BODY";
  KubeRequest patch = request_of("/x");
  patch.method = "PATCH";
  patch.content_type = "application/merge";
  patch.body = "BODY";
  CHECK(world.call(std::move(patch)));
  CHECK(world.server.requests.at(1).starts_with("PATCH /x HTTP/1.1\r\n"));
  CHECK(world.server.requests.at(1).find("Content-Type: application/merge\r\n") != std::string::npos);
  CHECK(world.server.handshakes == 1);
}

TEST_CASE("API server: refusals by status and message; a redirect is one") {
  World world;
  const std::pair<std::string, ErrorCode> cases[] = {{"401 Unauthorized", ErrorCode::kUnauthenticated},
                                                     {"403 Forbidden", ErrorCode::kDenied},
                                                     {"404 Not Found", ErrorCode::kNotFound},
                                                     {"409 Conflict", ErrorCode::kAlreadyExists},
                                                     {"422 Unprocessable", ErrorCode::kInvalidArgument},
                                                     {"429 Too Many", ErrorCode::kUnavailable},
                                                     {"500 Internal", ErrorCode::kUnavailable}};
  for (const auto& [status, code] : cases) {
    CHECK(world.refusal(refusal_of(status, "the words")) == Error(code, "the words"));
  }
  CHECK(world.refusal(answer_of("503 Away", "<html>")).message() == "unexpected answer of the API server: 503 Away");
  CHECK_FALSE(world.refusal("HTTP/1.1 302 Found\r\nLocation: https://localhost:1/\r\nContent-Length: 0\r\n\r\n")
                  .message()
                  .empty());
}

TEST_CASE("A watch: events come as they are sent, however they are cut, and the server ends it") {
  World world;
  const std::string first = event("a");
  world.server.answer = kChunked + chunk(first.substr(0, 20));
  world.watch();
  world.until([&] { return world.server.requests.size() == 1; });
  world.server.push(chunk(first.substr(20) + event("b")));
  world.until([&] { return world.names == "a b "; });
  CHECK_FALSE(world.ended);
  world.server.push(chunk(event("c")) + kLastChunk);
  world.until([&] { return world.ended.has_value(); });
  CHECK(*world.ended);
  CHECK(world.names == "a b c ");  // the last event came before the end
  world.server.answer = answer_of("200 OK", "{}");
  CHECK(world.call());
  CHECK(world.server.handshakes == 1);
}

TEST_CASE("A watch that is refused, or whose events are none, is an error") {
  World world;
  const std::pair<std::string, Error> cases[] = {
      {refusal_of("403 Forbidden", "cannot watch"), Error(ErrorCode::kDenied, "cannot watch")},
      {refusal_of("410 Gone", "too old resource version"),
       Error(ErrorCode::kInvalidArgument, "too old resource version")},
      {answer_of("200 OK", "[]"),
       Error(ErrorCode::kMalformed, "malformed answer of the API server: an event is no object")}};
  for (const auto& [answer, error] : cases) {
    world.server.answer = answer;
    world.ended.reset();
    world.watch();
    world.until([&] { return world.ended.has_value(); });
    REQUIRE_FALSE(*world.ended);
    CHECK(world.ended->error() == error);
  }
  CHECK(world.names.empty());
}

TEST_CASE("A watch ends with its deadline and with its stop") {
  World world;
  world.server.answer = kChunked + chunk(event("a"));
  world.watch(Deadline::in(300ms));
  world.until([&] { return world.ended.has_value(); });
  CHECK(world.ended->error().code() == ErrorCode::kDeadline);
  CHECK(world.names == "a ");
  world.ended.reset();
  world.watch();
  world.until([&] { return world.names == "a a "; });
  world.stop.request_stop(StopReason::kShutdown);
  world.until([&] { return world.ended.has_value(); });
  CHECK(world.ended->error().code() == ErrorCode::kCancelled);
}
