// keys.json as the stock agent 1.15.3 wrote it, and its messages about damaged ones (golden/files/damaged-data-dir).
#include <catch2/catch.hpp>
#include <fstream>

#include "agent/keys/keys_file.h"

using namespace steeple::agent;

TEST_CASE("The stock agent's keys.json is read, and written back byte for byte") {
  std::ifstream in(STEEPLE_TEST_DATA "/go-agent/keys.json");
  std::string json(std::istreambuf_iterator<char>(in), {});
  auto keys = parse_keys_file(json);
  REQUIRE(keys);
  REQUIRE(keys->size() == 1);
  CHECK(keys->begin()->first == "agent-svid-A");
  CHECK(keys->begin()->second.type() == steeple::runtime::KeyType::kEcP256);
  CHECK(steeple::runtime::as_text(format_keys_file(*keys).view()) == json);
}

TEST_CASE("Damaged keys files read as the stock agent says") {
  CHECK(parse_keys_file("").error().message() == "unable to decode keys JSON: unexpected end of JSON input");
  CHECK(parse_keys_file("garbage").error().message() ==
        "unable to decode keys JSON: invalid character 'g' looking for beginning of value");
  CHECK(parse_keys_file("{}")->empty());
  auto bad_key = parse_keys_file(R"({"keys":{"agent-svid-A":"AAAA"}})");
  REQUIRE_FALSE(bad_key);
  CHECK(bad_key.error().message().starts_with("unable to parse key \"agent-svid-A\": "));
}
