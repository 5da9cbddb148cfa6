#include "attestation/workload/systemd/dbus_message.h"

#include <catch2/catch.hpp>

using namespace steeple::attestation;
using steeple::runtime::ErrorCode;
using Type = DbusMessage::Type;

namespace {

DbusMessage reply(std::uint32_t to, const DbusBody& body) {
  DbusMessage message;
  message.type = Type::kReply;
  message.serial = 7;
  message.reply_serial = to;
  message.destination = ":1.42";
  message.signature = body.signature();
  message.body = body.bytes();
  return message;
}

std::string bytes(std::initializer_list<int> values) {
  std::string out;
  for (int value : values) out += static_cast<char>(value);
  return out;
}

DbusMessage only_message(const std::string& wire) {
  DbusReader reader;
  reader.feed(wire);
  auto message = reader.next();
  REQUIRE(message);
  REQUIRE(*message);
  return **message;
}

}  // namespace

TEST_CASE("A call's bytes are those the specification asks for") {
  DbusMessage call;
  call.serial = 1;
  call.path = "/a";
  call.interface = "b.c";
  call.member = "D";
  call.destination = "e.f";
  call.signature = "u";
  call.body = DbusBody().number(258).bytes();
  const std::string wire = bytes({'l', 1, 0, 1, 4, 0, 0, 0, 1, 0, 0, 0, 71, 0, 0, 0}) +
                           bytes({1, 1, 'o', 0, 2, 0, 0, 0, '/', 'a', 0, 0, 0, 0, 0, 0}) +
                           bytes({2, 1, 's', 0, 3, 0, 0, 0, 'b', '.', 'c', 0, 0, 0, 0, 0}) +
                           bytes({3, 1, 's', 0, 1, 0, 0, 0, 'D', 0, 0, 0, 0, 0, 0, 0}) +
                           bytes({6, 1, 's', 0, 3, 0, 0, 0, 'e', '.', 'f', 0, 0, 0, 0, 0}) +
                           bytes({8, 1, 'g', 0, 1, 'u', 0, 0}) + bytes({2, 1, 0, 0});
  CHECK(encode_dbus(call) == wire);
  const DbusMessage back = only_message(wire);
  CHECK(back.type == Type::kCall);
  CHECK(back.path == "/a");
  CHECK(back.interface == "b.c");
  CHECK(back.member == "D");
  CHECK(back.destination == "e.f");
  CHECK(back.signature == "u");
  CHECK(back.body == call.body);
}

TEST_CASE("Messages are cut out of any pieces") {
  const std::string wire = encode_dbus(reply(3, DbusBody().variant("web.service"))) +
                           encode_dbus(reply(4, DbusBody().text("/org/x").text("rest")));
  for (std::size_t size : {1, 2, 3, 16, 17, 100, 1000}) {
    DbusReader reader;
    std::vector<DbusMessage> found;
    for (std::size_t at = 0; at < wire.size(); at += size) {
      reader.feed(std::string_view(wire).substr(at, size));
      for (auto message = reader.next(); message && *message; message = reader.next()) found.push_back(**message);
    }
    REQUIRE(found.size() == 2);
    CHECK(found[0].reply_serial == 3);
    CHECK(found[0].variant_text() == "web.service");
    CHECK_FALSE(found[0].text());
    CHECK(found[1].reply_serial == 4);
    CHECK(found[1].text() == "/org/x");
    CHECK_FALSE(found[1].variant_text());
  }
}

TEST_CASE("A big-endian reply, with a field nobody knows") {
  const std::string wire = bytes({'B', 2, 0, 1, 0, 0, 0, 6, 0, 0, 0, 9, 0, 0, 0, 31}) +
                           bytes({5, 1, 'u', 0, 0, 0, 0, 3}) + bytes({77, 1, 't', 0, 0, 0, 0, 0}) +
                           bytes({1, 2, 3, 4, 5, 6, 7, 8}) + bytes({8, 1, 'g', 0, 1, 's', 0, 0}) +
                           bytes({0, 0, 0, 1, 'x', 0});
  const DbusMessage message = only_message(wire);
  CHECK(message.reply_serial == 3);
  CHECK(message.serial == 9);
  CHECK(message.text() == "x");
}

TEST_CASE("A message that is too large is passed over, unread") {
  DbusMessage large = reply(1, DbusBody().text(std::string(kDbusMessageBytesMax, 'x')));
  const std::string wire = encode_dbus(large) + encode_dbus(reply(2, DbusBody().text("after")));
  DbusReader reader;
  std::vector<DbusMessage> found;
  for (std::size_t at = 0; at < wire.size(); at += 1000) {
    reader.feed(std::string_view(wire).substr(at, 1000));
    for (auto message = reader.next(); message && *message; message = reader.next()) found.push_back(**message);
  }
  REQUIRE(found.size() == 1);
  CHECK(found[0].text() == "after");
}

TEST_CASE("What is no message ends the stream") {
  const auto code_of = [](const std::string& wire) {
    DbusReader reader;
    reader.feed(wire);
    auto message = reader.next();
    return message ? ErrorCode::kInternal : message.error().code();
  };
  CHECK(code_of("HTTP/1.1 400 Bad") == ErrorCode::kMalformed);
  CHECK(code_of(bytes({'l', 2, 0, 2, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0})) == ErrorCode::kMalformed);
  CHECK(code_of(bytes({'l', 2, 0, 1, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0})) == ErrorCode::kMalformed);
  CHECK(code_of(bytes({'l', 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 5, 1, 's', 0, 9, 9, 9, 9})) ==
        ErrorCode::kMalformed);
  CHECK(code_of(bytes({'l', 2, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0, 77, 2, 'a', 'y', 0, 0, 0, 0})) ==
        ErrorCode::kMalformed);
}

TEST_CASE("Bodies that are not what was asked for give nothing") {
  DbusMessage message = reply(1, DbusBody().number(7));
  CHECK_FALSE(message.text());
  CHECK_FALSE(message.variant_text());
  message.signature = "s";  // the body is too short for it
  CHECK_FALSE(message.text());
  message.signature = "v";
  CHECK_FALSE(message.variant_text());
  message = reply(1, DbusBody().text("abc"));
  message.body.back() = 'x';  // not terminated
  CHECK_FALSE(message.text());
}

TEST_CASE("The path in a bus address") {
  CHECK(dbus_socket_path("unix:path=/run/dbus/system_bus_socket") == "/run/dbus/system_bus_socket");
  CHECK(dbus_socket_path("tcp:host=x;unix:guid=1,path=/a%20b,x=y") == "/a b");
  CHECK(dbus_socket_path("unix:abstract=/tmp/x") == std::string(1, '\0') + "/tmp/x");
  CHECK(dbus_socket_path("unix:path=/a%zz") == "/a%zz");
  for (const char* text : {"", "tcp:host=x", "unix:", "unix:path=", "unix:path", "unixexec:path=/x", ";;,="}) {
    INFO(text);
    CHECK(dbus_socket_path(text).error().code() == ErrorCode::kInvalidArgument);
  }
}
