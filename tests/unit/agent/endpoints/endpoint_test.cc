#include "agent/endpoints/endpoints.h"

#include <fmt/format.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <optional>

#include "agent/endpoints/status_text.h"
#include "runtime/task/latest.h"
#include "tests/fakes/endpoint_world.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using steeple::runtime::grpc::CallOptions;
using steeple::runtime::grpc::Channel;
using steeple::runtime::grpc::MethodKind;
using steeple::runtime::grpc::ServerCall;
using steeple::runtime::grpc::ServiceTable;
using steeple::runtime::grpc::Status;
using steeple::runtime::grpc::StatusCode;

namespace {

struct Service {
  explicit Service(Loop& loop) : never(loop) {}
  Signal never;
  pid_t seen_pid = 0;
};

// Sends one message, then stays until it is stopped.
Task<Status> stay(void* object, ServerCall& call) {
  auto& service = *static_cast<Service*>(object);
  service.seen_pid = call.peer().process->credentials().pid;
  Result<void> sent = co_await call.send(steeple::runtime::grpc::make_message(as_bytes("hello")));
  if (!sent) co_return status_text::of_wait(sent.error());
  Result<void> waited = co_await service.never.wait(Deadline::never(), call.stop());
  co_return status_text::of_wait(waited ? Error(ErrorCode::kInternal, "woken") : waited.error());
}

Task<Status> open_and_wait(Channel& channel, Latest<bool>& opened) {
  CallOptions options(Deadline::in(std::chrono::seconds(10)), {});
  auto stream = co_await channel.open_stream("/test.Service/Stay", std::move(options));
  if (!stream) co_return std::move(stream.error());
  if (auto sent = co_await (*stream)->send({}); !sent) co_return std::move(sent.error());
  (*stream)->half_close();
  auto first = co_await (*stream)->receive();
  opened.set(first && *first && as_text(**first) == "hello");
  auto end = co_await (*stream)->receive();
  if (!end) co_return std::move(end.error());
  co_return Status::ok();
}

struct Client {
  explicit Client(Loop& loop) : opened(loop) {}
  Task<void> run(Channel& channel) { ended = co_await open_and_wait(channel, opened); }
  Latest<bool> opened;
  std::optional<Status> ended;
};

struct World {
  explicit World(Backend backend) : log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kJson), service(loop) {
    table.add(&service, {{"/test.Service/Stay", MethodKind::kServerStream, &stay}});
    endpoint = std::make_unique<EndpointWorld>(loop, backend, table, log);
  }
  bool logged(std::string_view text) const { return lines.find(text) != std::string::npos; }
  Loop loop;
  std::string lines;
  Logger log;
  Service service;
  ServiceTable table;
  std::unique_ptr<EndpointWorld> endpoint;
};

bool exists(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

}  // namespace

TEST_CASE("An endpoint serves, and when it stops ends open streams with Unavailable") {
  for (Backend backend : available_backends()) {
    INFO(to_string(backend));
    World world(backend);
    CHECK(world.endpoint->engine().backend() == backend);
    std::string path = world.endpoint->path();
    struct stat status{};
    REQUIRE(::stat(path.c_str(), &status) == 0);
    CHECK(S_ISSOCK(status.st_mode));
    CHECK((status.st_mode & 0777) == 0777);
    CHECK(world.logged(
        "{\"address\":{\"Name\":\"" + path +
        "\",\"Net\":\"unix\"},\"apis\":\"Workload API\",\"level\":\"info\",\"msg\":\"Starting agent APIs\","
        "\"network\":\"unix\",\"subsystem_name\":\"endpoints\","));
    Client client(world.loop);
    TaskGroup clients(world.loop);
    clients.spawn(client.run(world.endpoint->channel()));
    auto opened = run_until_done(world.loop, client.opened.next(Deadline::in(std::chrono::seconds(10)), {}));
    REQUIRE(opened);
    CHECK(*opened);
    CHECK(world.service.seen_pid == ::getpid());
    CHECK(world.endpoint->endpoint().connections() == 1);
    CHECK(world.endpoint->endpoint().streams() == 1);
    auto started = std::chrono::steady_clock::now();
    world.endpoint->stop();
    CHECK(std::chrono::steady_clock::now() - started < std::chrono::milliseconds(900));
    run_until_done(world.loop, clients.join());
    REQUIRE(client.ended);
    CHECK(*client.ended == Status(StatusCode::kUnavailable, "agent is shutting down"));
    CHECK_FALSE(exists(path));
    CHECK(world.logged("\"msg\":\"Stopping agent APIs\""));
  }
}

TEST_CASE("A second endpoint takes the path over, and the first leaves it alone") {
  for (Backend backend : available_backends()) {
    World world(backend);
    Endpoint::Options options;
    options.socket_path = world.endpoint->path();
    auto second = Endpoint::start(world.loop, world.endpoint->engine(), world.table, options, Logger());
    REQUIRE(second);
    std::string path = world.endpoint->path();
    run_until_done(world.loop, world.endpoint->endpoint().stop());
    CHECK(exists(path));
    run_until_done(world.loop, (*second)->stop());
    CHECK_FALSE(exists(path));
    second->reset();
    world.endpoint->forget_endpoint();
  }
}

TEST_CASE("An endpoint that cannot bind says why in upstream's words") {
  World world(Backend::kEpoll);
  Endpoint::Options options;
  options.socket_path = "/nonexistent-folder/api.sock";
  auto failed = Endpoint::start(world.loop, world.endpoint->engine(), world.table, options, Logger());
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message() ==
        "create UDS listener: listen unix /nonexistent-folder/api.sock: bind: no such file or directory");
  options.admin = true;
  failed = Endpoint::start(world.loop, world.endpoint->engine(), world.table, options, Logger());
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message().starts_with("error creating UDS listener: listen unix /nonexistent-folder/"));
}

TEST_CASE("The admin endpoint's lines name its address as a text") {
  World world(Backend::kEpoll);
  Endpoint::Options options;
  options.socket_path = world.endpoint->path() + ".admin";
  options.admin = true;
  auto admin = Endpoint::start(world.loop, world.endpoint->engine(), world.table, options, world.log);
  REQUIRE(admin);
  run_until_done(world.loop, (*admin)->stop());
  for (std::string_view message : {"Starting Admin APIs", "Stopping Admin APIs", "Admin APIs have stopped"}) {
    INFO(message);
    CHECK(world.logged(fmt::format("{{\"address\":\"{}\",\"level\":\"info\",\"msg\":\"{}\",\"network\":\"unix\",",
                                   options.socket_path, message)));
  }
}

TEST_CASE("The directory of a socket is made when there is none") {
  char folder[] = "/tmp/steeple-directory-XXXXXX";
  REQUIRE(::mkdtemp(folder));
  std::string directory = std::string(folder) + "/spire-agent/public";
  std::string lines;
  Logger log(make_string_sink(&lines), LogLevel::kInfo, LogFormat::kDefault);
  mode_t before = ::umask(0022);
  REQUIRE(prepare_socket_directory(directory + "/api.sock", "spire agent UDS", log));
  ::umask(before);
  struct stat status{};
  REQUIRE(::stat(directory.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0755);
  CHECK(lines.find("level=info msg=\"Creating spire agent UDS directory\" dir=" + directory) != std::string::npos);
  lines.clear();
  REQUIRE(::chmod(directory.c_str(), 0700) == 0);
  REQUIRE(prepare_socket_directory(directory + "/api.sock", "spire agent UDS", log));
  REQUIRE(::stat(directory.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  CHECK(lines.empty());
  ::rmdir(directory.c_str());
  ::rmdir((std::string(folder) + "/spire-agent").c_str());
  ::rmdir(folder);
}
