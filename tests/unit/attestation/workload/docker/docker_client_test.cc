// The client against a small daemon on a Unix socket.
#include "attestation/workload/docker/docker_client.h"

#include <unistd.h>

#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using boost::asio::local::stream_protocol;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

std::string answer_of(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size()) +
         "\r\n\r\n" + body;
}

class Daemon {
 public:
  explicit Daemon(std::string version = "", DockerClient::Limits limits = {})
      : client(loop, std::move(version), limits) {
    group.spawn(accept());
  }
  ~Daemon() {
    group.close(StopReason::kShutdown);
    run_until_done(loop, group.join());
    ::unlink(path.c_str());
  }
  std::string host() const { return "unix://" + path; }
  Result<DockerContainer> container(const std::string& id, Deadline deadline = Deadline::in(20s)) {
    return run_until_done(loop, client.container(host(), id, deadline, {}));
  }
  std::string error_of(const std::string& wanted) {
    answer = wanted;
    auto found = container("x");
    REQUIRE_FALSE(found);
    return found.error().message();
  }

  Loop loop;
  std::string path = "/tmp/steeple-docker-" + std::to_string(getpid()) + ".sock";
  std::string answer = answer_of("200 OK", R"({"Config":{"Labels":{"a":"b"}}})");
  std::string pong = answer_of("200 OK", "");
  int pings = 0;
  bool hang = false;
  std::vector<std::string> requests;
  DockerClient client;

 private:
  Task<void> accept() {
    ::unlink(path.c_str());
    stream_protocol::acceptor acceptor(loop.io(), stream_protocol::endpoint(path));
    while (!group.token().stop_requested()) {
      stream_protocol::socket socket(loop.io());
      auto [error] = co_await async_op<boost::system::error_code>(
          [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); }, group.token());
      if (error) co_return;
      group.spawn(serve(std::move(socket)));
    }
  }
  Task<void> serve(stream_protocol::socket socket) {
    std::string text;
    for (;;) {
      auto [error, size] = co_await async_op<boost::system::error_code, std::size_t>(
          [&](auto handler) {
            boost::asio::async_read_until(socket, boost::asio::dynamic_buffer(text), "\r\n\r\n", std::move(handler));
          },
          group.token());
      if (error) co_return;
      requests.push_back(text.substr(0, text.find("\r\n")));
      text.erase(0, size);
      const bool ping = requests.back() == "HEAD /_ping HTTP/1.1";
      if (ping) requests.pop_back();
      pings += ping ? 1 : 0;
      if (hang) co_await wait_for_stop();
      const std::string& reply = ping ? pong : answer;
      auto [failure, sent] = co_await async_op<boost::system::error_code, std::size_t>(
          [&](auto handler) { boost::asio::async_write(socket, boost::asio::buffer(reply), std::move(handler)); },
          group.token());
      if (failure) co_return;
    }
  }
  Task<void> wait_for_stop() { (void)co_await sleep_until(loop, Deadline::in(60s), group.token()); }

  TaskGroup group{loop};
};

Task<void> keep(Task<Result<DockerContainer>> task, std::vector<Result<DockerContainer>>& out) {
  out.push_back(co_await std::move(task));
}

}  // namespace

TEST_CASE("Containers and images are asked for over the socket, under the version's paths") {
  Daemon daemon;
  auto found = daemon.container("abc");
  REQUIRE(found);
  CHECK(found->selectors == Selectors({{"docker", "label:a:b"}}));
  daemon.answer = answer_of("200 OK", R"({"Id":"sha256:1"})");
  CHECK(run_until_done(daemon.loop,
                       daemon.client.image(daemon.host(), "host:5000/a b?/web:1@sha256:2", Deadline::in(20s), {}))
            ->id == "sha256:1");
  CHECK(daemon.requests == std::vector<std::string>{"GET /containers/abc/json HTTP/1.1",
                                                    "GET /images/host:5000/a%20b%3F/web:1@sha256:2/json HTTP/1.1"});
  Daemon versioned("1.44");
  REQUIRE(versioned.container("abc"));
  CHECK(versioned.requests == std::vector<std::string>{"GET /v1.44/containers/abc/json HTTP/1.1"});
}

TEST_CASE("The paths bear the version that the daemon names, asked once and again after a refusal") {
  Daemon daemon;
  daemon.pong = "HTTP/1.1 200 OK\r\nApi-Version: 1.51\r\nContent-Length: 0\r\n\r\n";
  REQUIRE(daemon.container("a"));
  REQUIRE(daemon.container("b"));
  CHECK(daemon.pings == 1);
  daemon.pong = "HTTP/1.1 200 OK\r\nApi-Version: 1.9/../x\r\nContent-Length: 0\r\n\r\n";
  daemon.error_of(answer_of("400 Bad Request", R"({"message":"client version 1.51 is too new"})"));
  daemon.answer = answer_of("200 OK", "{}");
  REQUIRE(daemon.container("c"));
  CHECK(daemon.pings == 2);
  CHECK(daemon.requests ==
        std::vector<std::string>{"GET /v1.51/containers/a/json HTTP/1.1", "GET /v1.51/containers/b/json HTTP/1.1",
                                 "GET /v1.51/containers/x/json HTTP/1.1", "GET /containers/c/json HTTP/1.1"});
}

TEST_CASE("A daemon's refusals, in the words of Docker's client") {
  Daemon daemon;
  CHECK(daemon.error_of(answer_of("404 Not Found", R"({"message":"No such container: x"})")) ==
        "Error response from daemon: No such container: x");
  CHECK(daemon.error_of(answer_of("500 Internal Server Error", "oops\n")) == "Error response from daemon: oops");
  CHECK(daemon.error_of(answer_of("400 Bad Request", "")) ==
        "request returned 400 Bad Request for API route and version /containers/x/json, check if the server supports "
        "the requested API version");
  CHECK(daemon.error_of(answer_of("302 Found", "elsewhere")) == "Error response from daemon: elsewhere");
  CHECK(daemon.error_of(answer_of("200 OK", "<html>")).starts_with("unable to read the daemon's answer"));
  daemon.answer = answer_of("200 OK", "{\"x\":\"" + std::string(kDockerAnswerBytesMax, 'x') + "\"}");
  CHECK(daemon.container("x").error().code() == ErrorCode::kLimit);
}

TEST_CASE("A daemon that is not there") {
  Loop loop;
  DockerClient client(loop, "", {});
  auto found = run_until_done(loop, client.container("unix:///nonexistent/docker.sock", "x", Deadline::in(20s), {}));
  REQUIRE_FALSE(found);
  CHECK(found.error().code() == ErrorCode::kUnavailable);
  CHECK(found.error().message().starts_with(
      "failed to connect to the docker API at unix:///nonexistent/docker.sock; check if the path is correct and if the "
      "daemon is running: "));
}

TEST_CASE("A daemon that hangs holds up its own callers, to their deadline, and only so many") {
  Daemon daemon("", DockerClient::Limits{2, 1, 2});
  daemon.hang = true;
  std::vector<Result<DockerContainer>> answers;
  TaskGroup group(daemon.loop);
  for (int i = 0; i < 5; ++i) {
    group.spawn(keep(daemon.client.container(daemon.host(), "x", Deadline::in(300ms), {}), answers));
  }
  group.spawn(keep(daemon.client.container("unix:///nonexistent", "y", Deadline::in(20s), {}), answers));
  run_until_done(daemon.loop, group.join());
  REQUIRE(answers.size() == 6);
  CHECK(daemon.requests.size() <= 5);
  std::size_t late = 0;
  for (const auto& answer : answers) late += !answer && answer.error().code() == ErrorCode::kDeadline ? 1 : 0;
  CHECK(late == 5);
  daemon.hang = false;
  CHECK(daemon.container("x"));
}
