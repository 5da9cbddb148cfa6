#include "agent/plugin/handshake.h"

#include <catch2/catch.hpp>

using namespace steeple;
using namespace steeple::agent;

namespace {

std::string refusal(std::string_view line) {
  auto address = parse_handshake(line);
  return address ? "" : address.error().message();
}

}  // namespace

TEST_CASE("A handshake names the address") {
  auto address = parse_handshake("1|1|unix|/tmp/plugin123|grpc|");
  REQUIRE(address);
  CHECK(address->network == "unix");
  CHECK(address->address == "/tmp/plugin123");
  CHECK(parse_handshake(" 1|1|unix|/tmp/a b|grpc||false\r")->address == "/tmp/a b");
  CHECK(parse_handshake("1|1|tcp|127.0.0.1:10000|grpc")->network == "tcp");
  CHECK(parse_handshake("+1|01|unix|/x|grpc|short leftover"));
}

TEST_CASE("A wrong handshake is refused in go-plugin's words") {
  CHECK(refusal("hello world") == "Unrecognized remote plugin message: hello world");
  CHECK(refusal("") == "Unrecognized remote plugin message: ");
  CHECK(refusal("1|1|unix") == "Unrecognized remote plugin message: 1|1|unix");
  CHECK(refusal("x|1|unix|/x|grpc") ==
        "error parsing core protocol version: strconv.Atoi: parsing \"x\": invalid syntax");
  CHECK(refusal("99999999999|1|unix|/x|grpc") ==
        "error parsing core protocol version: strconv.Atoi: parsing \"99999999999\": value out of range");
  CHECK(refusal("2|1|unix|/x|grpc") == "incompatible core API version with plugin. Plugin version: 2, Core version: 1");
  CHECK(refusal("1|+-1|unix|/x|grpc") ==
        "Error parsing protocol version \"+-1\": strconv.Atoi: parsing \"+-1\": invalid syntax");
  CHECK(refusal("1|7|unix|/x|grpc") == "incompatible API version with plugin. Plugin version: 7, Client versions: [1]");
  CHECK(refusal("1|1|foo|/x|grpc") == "unknown address type: /x");
  CHECK(refusal("1|1|unix|/x") == "unsupported plugin protocol \"netrpc\". Supported: [grpc]");
  CHECK(refusal("1|1|unix|/x|netrpc|") == "unsupported plugin protocol \"netrpc\". Supported: [grpc]");
  CHECK(refusal("1|1|unix|/x|grpc|" + std::string(51, 'A')).find("TLS") != std::string::npos);
  CHECK(refusal(std::string(10'000, 'a')).size() < 1000);
}

TEST_CASE("A program that says nothing is described") {
  CHECK(unrecognized_handshake({}, true).message() ==
        "Unrecognized remote plugin message: \nFailed to read any lines from plugin's stdout");
  CHECK(describe_program("/no/such").empty());
  CHECK(describe_program("/bin/sh").find("Path: /bin/sh\n  Mode: -rwxr-xr-x\n  Owner: 0 (current: ") !=
        std::string::npos);
}
