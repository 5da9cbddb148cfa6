// The wire reader, the index of descriptors, and reflection over files made here.
#include "runtime/grpc/reflection.h"

#include <catch2/catch.hpp>

#include "runtime/task/blocking.h"
#include "tests/fakes/fake_server_call.h"

namespace steeple::runtime::grpc {
namespace {

using Fields = std::vector<std::pair<std::uint32_t, std::string>>;

std::string message(const Fields& fields) {
  std::string encoded;
  for (const auto& [number, bytes] : fields) append_bytes(encoded, number, bytes);
  return encoded;
}
std::string named(const std::string& name) { return message({{1, name}}); }

// a.proto imports b.proto and c.proto, b.proto imports c.proto; c.proto extends c.Base.
std::string descriptor_set() {
  std::string extension = named("extra") + message({{2, ".c.Base"}});
  append_number(extension, 3, 1000);
  const std::string enumeration = named("Color") + message({{2, named("RED")}});
  const std::string c = message({{1, "c.proto"}, {2, "c"}, {4, named("Base")}, {5, enumeration}, {7, extension}});
  const std::string b = message({{1, "b.proto"}, {3, "c.proto"}, {4, named("B") + message({{8, named("choice")}})}});
  const std::string inner = named("Inner") + message({{2, named("field")}});
  const std::string service = named("Service") + message({{2, named("Call")}});
  const std::string a = message({{1, "a.proto"},
                                 {2, "a"},
                                 {3, "b.proto"},
                                 {3, "c.proto"},
                                 {3, "not.there"},
                                 {4, named("Outer") + message({{3, inner}})},
                                 {6, service}});
  return message({{1, a}, {1, b}, {1, c}});
}

std::vector<std::string> file_names(const std::string& response) {
  std::vector<std::string> names;
  WireReader outer(as_bytes(response));
  for (WireField field; outer.next(field);) {
    if (field.number != 4) continue;
    WireReader files(field.bytes);
    for (WireField file; files.next(file);) {
      WireReader parts(file.bytes);
      WireField name;
      if (parts.next(name)) names.push_back(to_text(name.bytes));
    }
  }
  return names;
}

Task<Status> no_call(void*, ServerCall&) { co_return Status::ok(); }

struct World {
  World() : service(table, as_bytes(set)) {
    service.add_to(table);
    table.add(nullptr, {{"/a.Service/Call", MethodKind::kUnary, &no_call}});
  }
  Result<std::string, Status> ask(std::uint32_t kind, const std::string& text) {
    return service.answer(as_bytes(message({{kind, text}})), sent);
  }
  std::string set = descriptor_set();
  ServiceTable table;
  ReflectionService service;
  ReflectionService::FilesSent sent;
};

}  // namespace

TEST_CASE("Fields of every wire type are read, and a broken message is noticed") {
  std::string all;
  append_number(all, 1, 300);
  all += "\x11" + std::string("\1\0\0\0\0\0\0\2", 8) + "\x1d" + std::string("\1\0\0\3", 4);
  append_bytes(all, 1000, "text");
  WireReader reader(as_bytes(all));
  WireField field;
  REQUIRE(reader.next(field));
  CHECK(field.value == 300);
  REQUIRE(reader.next(field));
  CHECK(field.value == 0x0200000000000001);
  REQUIRE(reader.next(field));
  CHECK(field.value == 0x03000001);
  REQUIRE(reader.next(field));
  CHECK(field.number == 1000);
  CHECK(as_text(field.bytes) == "text");
  CHECK_FALSE(reader.next(field));
  CHECK_FALSE(reader.malformed());
  for (const std::string& bad :
       {std::string("\xff"), std::string("\0\1", 2), std::string("\x0a\x02x"), std::string("\x0b"), std::string("\x0f"),
        std::string("\x09\1"), std::string("\x08") + std::string(10, '\xff')}) {
    WireReader broken(as_bytes(bad));
    while (broken.next(field)) continue;
    CHECK(broken.malformed());
  }
}

TEST_CASE("Symbols of all kinds lead to their file") {
  const std::string set = descriptor_set();
  auto index = DescriptorIndex::read(as_bytes(set));
  REQUIRE(index);
  for (const auto& [symbol, file] : std::vector<std::pair<std::string, std::string>>{{"a.Outer", "a.proto"},
                                                                                     {"a.Outer.Inner", "a.proto"},
                                                                                     {"a.Outer.Inner.field", "a.proto"},
                                                                                     {"a.Service", "a.proto"},
                                                                                     {"a.Service.Call", "a.proto"},
                                                                                     {"B", "b.proto"},
                                                                                     {"B.choice", "b.proto"},
                                                                                     {"c.Color", "c.proto"},
                                                                                     {"c.RED", "c.proto"},
                                                                                     {"c.extra", "c.proto"}}) {
    INFO(symbol);
    REQUIRE(index->file_of_symbol(symbol));
    CHECK(index->file_of_symbol(symbol)->name == file);
  }
  for (const char* unknown : {"", "a", ".a.Outer", "a.Outer.", "c.Color.RED", "Outer"})
    CHECK_FALSE(index->file_of_symbol(unknown));
  CHECK(index->file_of_extension("c.Base", 1000)->name == "c.proto");
  CHECK_FALSE(index->file_of_extension("c.Base", 1001));
  CHECK(index->extension_numbers("c.Base") == std::vector<std::int32_t>{1000});
  CHECK_FALSE(DescriptorIndex::read(as_bytes(set.substr(0, set.size() - 1))));
}

TEST_CASE("A file comes with its imports, breadth first, and those a stream has had do not come again") {
  World world;
  auto first = world.ask(3, "a.proto");
  REQUIRE(first);
  CHECK(file_names(*first) == std::vector<std::string>{"a.proto", "b.proto", "c.proto"});
  CHECK(file_names(*world.ask(4, "B.choice")) == std::vector<std::string>{"b.proto"});
  world.sent.clear();
  CHECK(file_names(*world.ask(4, "B")) == std::vector<std::string>{"b.proto", "c.proto"});
}

TEST_CASE("What is not there is said to be not found, and no question ends the stream") {
  World world;
  for (std::uint32_t kind : {3u, 4u, 6u}) {
    auto answer = world.ask(kind, "nope");
    REQUIRE(answer);
    CHECK(answer->ends_with("proto: not found"));
  }
  auto empty = world.service.answer({}, world.sent);
  REQUIRE_FALSE(empty);
  CHECK(empty.error() == Status(StatusCode::kInvalidArgument, "invalid MessageRequest: <nil>"));
  for (const std::string& bad :
       {std::string("\xff\xff"), message({{7, "\xff"}}), message({{1, "\xc0"}, {7, ""}}), message({{5, "\x08"}})}) {
    auto refused = world.service.answer(as_bytes(bad), world.sent);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == StatusCode::kInternal);
  }
}

TEST_CASE("Extensions are found by their number, and listed for a type that is known") {
  World world;
  std::string extension = message({{1, "c.Base"}});
  append_number(extension, 2, 1000);
  CHECK(file_names(*world.ask(5, extension)) == std::vector<std::string>{"c.proto"});
  CHECK(world.ask(6, "c.Base")->ends_with("c.Base\x12\x02\xe8\x07"));
  CHECK(world.ask(6, "a.Outer")->ends_with("a.Outer"));
}

TEST_CASE("A stream answers question by question until the client has no more") {
  World world;
  Loop loop;
  tests::FakeServerCall call(loop, "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", nullptr);
  call.push_message(to_bytes(as_bytes(message({{7, "*"}}))));
  call.push_message(to_bytes(as_bytes(message({{3, "c.proto"}}))));
  CHECK(run_until_done(loop, world.service.reflect(call)) == Status::ok());
  REQUIRE(call.sent().size() == 2);
  CHECK(as_text(call.sent()[0]).find("a.Service") != std::string_view::npos);
  CHECK(as_text(call.sent()[0]).find("grpc.reflection.v1alpha.ServerReflection") != std::string_view::npos);
  CHECK(file_names(to_text(call.sent()[1])) == std::vector<std::string>{"c.proto"});
}

}  // namespace steeple::runtime::grpc
