// The attestor and its connection against a bus that speaks the real protocol.
#include "attestation/workload/systemd/systemd_attestor.h"

#include <unistd.h>

#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using boost::asio::local::stream_protocol;
using boost::system::error_code;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using Type = DbusMessage::Type;

namespace {

DbusMessage answer_of(Type type, const DbusBody& body) {
  DbusMessage message;
  message.type = type;
  message.signature = body.signature();
  message.body = body.bytes();
  if (type == Type::kError) message.error_name = "org.example.Error";
  return message;
}

class Bus {
 public:
  Bus() : attestor(SystemdConfig{"unix:path=" + path}, loop) {
    ::unlink(path.c_str());
    group.spawn(accept());
  }
  ~Bus() {
    run_until_done(loop, attestor.close());
    group.close(StopReason::kShutdown);
    run_until_done(loop, group.join());
    ::unlink(path.c_str());
  }
  Result<Selectors> find(pid_t pid, Deadline deadline = Deadline::in(20s)) {
    return run_until_done(loop, attestor.find(pid, deadline, {}));
  }
  std::string error_of(pid_t pid) {
    auto found = find(pid);
    REQUIRE_FALSE(found);
    CHECK(found.error().code() == ErrorCode::kInternal);
    return found.error().message();
  }

  Loop loop;
  std::string path = "/tmp/steeple-bus-" + std::to_string(getpid()) + ".sock";
  std::string authentication = "OK 1234deadbeef\r\n";
  DbusMessage hello = answer_of(Type::kReply, DbusBody().text(":1.1"));
  DbusMessage unit = answer_of(Type::kReply, DbusBody().text("/org/freedesktop/systemd1/unit/web_2eservice"));
  DbusMessage id = answer_of(Type::kReply, DbusBody().variant("web.service"));
  DbusMessage fragment = answer_of(Type::kReply, DbusBody().variant("/etc/systemd/system/web.service"));
  std::string noise;                   // before each answer
  std::size_t answers_max = SIZE_MAX;  // then the connection is closed
  bool hang = false;
  std::vector<DbusMessage> calls;
  std::string handshake;
  SystemdAttestor attestor;

 private:
  Task<void> accept() {
    stream_protocol::acceptor acceptor(loop.io(), stream_protocol::endpoint(path));
    for (;;) {
      stream_protocol::socket socket(loop.io());
      auto [error] = co_await async_op<error_code>(
          [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); }, group.token());
      if (error) co_return;
      group.spawn(serve(std::move(socket)));
    }
  }
  Task<Result<std::string>> line(stream_protocol::socket& socket, std::string& text) {
    auto [error, size] = co_await async_op<error_code, std::size_t>(
        [&](auto handler) {
          boost::asio::async_read_until(socket, boost::asio::dynamic_buffer(text), "\r\n", std::move(handler));
        },
        group.token());
    if (error) co_return Error(ErrorCode::kClosed, error.message());
    std::string found = text.substr(0, size);
    text.erase(0, size);
    co_return found;
  }
  Task<void> send(stream_protocol::socket& socket, std::string bytes) {
    co_await async_op<error_code, std::size_t>(
        [&](auto handler) { boost::asio::async_write(socket, boost::asio::buffer(bytes), std::move(handler)); },
        group.token());
  }
  Task<void> serve(stream_protocol::socket socket) {
    std::string text;
    auto first = co_await line(socket, text);
    if (!first) co_return;
    handshake = *first;
    co_await send(socket, authentication);
    auto second = co_await line(socket, text);
    if (!second || *second != "BEGIN\r\n") co_return;
    DbusReader reader;
    reader.feed(text);
    std::array<char, 999> bytes;
    for (std::size_t answers = 0;;) {
      auto message = reader.next();
      if (!message) co_return;
      if (*message) {
        calls.push_back(**message);
        const bool greeted = (*message)->member == "Hello";
        if (!greeted && hang) continue;
        if (answers++ == answers_max) co_return;
        co_await send(socket, noise + encode_dbus(answer_to(**message)));
        continue;
      }
      auto [error, size] = co_await async_op<error_code, std::size_t>(
          [&](auto handler) { socket.async_read_some(boost::asio::buffer(bytes), std::move(handler)); }, group.token());
      if (error) co_return;
      reader.feed(std::string_view(bytes.data(), size));
    }
  }
  DbusMessage answer_to(const DbusMessage& call) {
    DbusMessage answer = call.member == "Hello" ? hello : call.member == "GetUnitByPID" ? unit : id;
    if (call.member == "Get" && call.body.find("FragmentPath") != std::string::npos) answer = fragment;
    answer.serial = 1;
    answer.reply_serial = call.serial;
    return answer;
  }
  TaskGroup group{loop};
};

Task<void> keep(Task<Result<Selectors>> task, std::vector<Result<Selectors>>& out) {
  out.push_back(co_await std::move(task));
}

}  // namespace

TEST_CASE("A process' unit and its file, asked for over one connection") {
  Bus bus;
  for (int i = 0; i < 3; ++i) {
    auto found = bus.find(4711);
    REQUIRE(found);
    CHECK(*found ==
          Selectors({{"systemd", "id:web.service"}, {"systemd", "fragment_path:/etc/systemd/system/web.service"}}));
  }
  CHECK(bus.handshake.starts_with(std::string(1, '\0') + "AUTH EXTERNAL "));
  CHECK(bus.attestor.bus().connections() == 1);
  REQUIRE(bus.calls.size() == 10);
  const DbusMessage& ask = bus.calls[1];
  CHECK(ask.destination == "org.freedesktop.systemd1");
  CHECK(ask.path == "/org/freedesktop/systemd1");
  CHECK(ask.interface == "org.freedesktop.systemd1.Manager");
  CHECK(ask.member == "GetUnitByPID");
  CHECK(ask.signature == "u");
  CHECK(ask.body == DbusBody().number(4711).bytes());
  const DbusMessage& get = bus.calls[2];
  CHECK(get.path == "/org/freedesktop/systemd1/unit/web_2eservice");
  CHECK(get.interface == "org.freedesktop.DBus.Properties");
  CHECK(get.body == DbusBody().text("org.freedesktop.systemd1.Unit").text("Id").bytes());
}

TEST_CASE("Both selectors are there, even if empty") {
  Bus bus;
  bus.id = bus.fragment = answer_of(Type::kReply, DbusBody().variant(""));
  CHECK(*bus.find(1) == Selectors({{"systemd", "id:"}, {"systemd", "fragment_path:"}}));
}

TEST_CASE("The manager's errors, in SPIRE's words") {
  Bus bus;
  bus.unit = answer_of(Type::kError, DbusBody().text("PID 7 does not belong to any loaded unit."));
  CHECK(bus.error_of(7) == "failed to get unit by pid 7: PID 7 does not belong to any loaded unit.");
  bus.unit = answer_of(Type::kError, DbusBody());
  CHECK(bus.error_of(7) == "failed to get unit by pid 7: org.example.Error");
  bus.unit = answer_of(Type::kReply, DbusBody().number(7));
  CHECK(bus.error_of(7) == "failed to get unit by pid 7: the answer is no object");
  bus.unit = answer_of(Type::kReply, DbusBody().text("/u"));
  bus.id = answer_of(Type::kError, DbusBody().text("gone"));
  CHECK(bus.error_of(7) == "error getting value for Id: gone");
  bus.id = answer_of(Type::kReply, DbusBody().text("no variant"));
  CHECK(bus.error_of(7).starts_with("Returned value for Id was not a string: "));
  CHECK(bus.attestor.bus().connections() == 1);
}

TEST_CASE("A bus that is not there, or does not let us in") {
  Loop loop;
  SystemdAttestor lonely(SystemdConfig{"unix:path=/nonexistent/bus"}, loop);
  auto found = run_until_done(loop, lonely.find(1, Deadline::in(20s), {}));
  REQUIRE_FALSE(found);
  CHECK(found.error() == Error(ErrorCode::kInternal,
                               "failed to open dbus connection: dial unix /nonexistent/bus: connect: no such file or "
                               "directory"));
  run_until_done(loop, lonely.close());
  Bus bus;
  bus.authentication = "REJECTED EXTERNAL\r\n";
  CHECK(bus.error_of(1) == "failed to open dbus connection: dbus: authentication failed");
  bus.authentication = "OK 1\r\n";
  bus.hello = answer_of(Type::kError, DbusBody().text("no more connections"));
  CHECK(bus.error_of(1) == "failed to open dbus connection: no more connections");
  bus.authentication = std::string(kDbusLineBytesMax * 3, 'x');
  CHECK(bus.error_of(1).starts_with("failed to open dbus connection: dbus: the handshake's line is too long"));
}

TEST_CASE("A lost connection fails its calls and is opened again for the next") {
  Bus bus;
  bus.answers_max = 2;
  CHECK(bus.error_of(1).starts_with("error getting value for Id: "));
  CHECK(bus.error_of(1).starts_with("error getting value for Id: "));
  CHECK(bus.attestor.bus().connections() == 2);
  bus.answers_max = SIZE_MAX;
  CHECK(bus.find(1));
  CHECK(bus.attestor.bus().connections() == 3);
}

TEST_CASE("Signals, stray answers and large messages change nothing") {
  Bus bus;
  DbusMessage signal = answer_of(Type::kSignal, DbusBody().text("x"));
  signal.serial = 5;
  DbusMessage stray = answer_of(Type::kReply, DbusBody().text("/forged"));
  stray.reply_serial = 4'000'000;
  DbusMessage large = answer_of(Type::kSignal, DbusBody().text(std::string(3 * kDbusMessageBytesMax, 'x')));
  bus.noise = encode_dbus(signal) + encode_dbus(stray) + encode_dbus(large);
  CHECK(bus.find(1));
  CHECK(bus.attestor.bus().connections() == 1);
}

TEST_CASE("A manager that hangs holds callers to their deadline, many at once, and the connection stays") {
  Bus bus;
  bus.hang = true;
  std::vector<Result<Selectors>> answers;
  TaskGroup group(bus.loop);
  for (int i = 0; i < 100; ++i) group.spawn(keep(bus.attestor.find(i, Deadline::in(200ms), {}), answers));
  run_until_done(bus.loop, group.join());
  REQUIRE(answers.size() == 100);
  for (const auto& answer : answers) CHECK_FALSE(answer);
  bus.hang = false;
  for (int i = 0; i < 100; ++i) group.spawn(keep(bus.attestor.find(i, Deadline::in(20s), {}), answers));
  run_until_done(bus.loop, group.join());
  for (std::size_t i = 100; i < answers.size(); ++i) CHECK(answers[i]);
  CHECK(bus.attestor.bus().connections() == 1);
}
