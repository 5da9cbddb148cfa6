#include "agent/spiffe/json_value.h"

#include <catch2/catch.hpp>

using namespace steeple::agent;

namespace {

std::string error_of(std::string_view text) {
  auto parsed = parse_json(text);
  return parsed ? "" : parsed.error().message();
}

std::string text_of(std::string_view json) { return *parse_json(json)->root.text(); }

}  // namespace

TEST_CASE("JSON of every kind is read") {
  auto parsed = parse_json(R"( {"a":[1,-2.5e3,true,false,null,"x"],"b":{"c":{}},"d":[]} )");
  REQUIRE(parsed);
  const JsonValue& list = *find_member(parsed->root, "a");
  REQUIRE(list.array()->size() == 6);
  CHECK(*(*list.array())[0].number()->to_double() == 1);
  CHECK(*(*list.array())[1].number()->to_double() == -2500);
  CHECK(*(*list.array())[2].boolean());
  CHECK_FALSE(*(*list.array())[3].boolean());
  CHECK((*list.array())[4].is_null());
  CHECK(*(*list.array())[5].text() == "x");
  CHECK(find_member(*find_member(parsed->root, "b"), "c")->object()->empty());
  CHECK(find_member(parsed->root, "A") == nullptr);
  CHECK_FALSE(parsed->duplicate_member);
}

TEST_CASE("Strings are decoded as Go decodes them") {
  CHECK(text_of(R"("\"\\\/\b\f\n\r\tA\u00e9")") == "\"\\/\b\f\n\r\tA\xC3\xA9");
  CHECK(text_of(R"("\ud83d\ude00")") == "\xF0\x9F\x98\x80");
  CHECK(text_of(R"("\ud83dx")") == "\xEF\xBF\xBDx");
  CHECK(text_of(R"("\ud83d\u0041")") ==
        "\xEF\xBF\xBD"
        "A");
  CHECK(text_of(R"("\ude00")") == "\xEF\xBF\xBD");
  CHECK(text_of("\"a\xFF\"") == "a\xEF\xBF\xBD");
}

TEST_CASE("Broken JSON is refused in Go's words") {
  CHECK(error_of("") == "unexpected end of JSON input");
  CHECK(error_of("{\"a\":") == "unexpected end of JSON input");
  CHECK(error_of("nope") == "invalid character 'o' in literal null (expecting 'u')");
  CHECK(error_of("{} x") == "invalid character 'x' after top-level value");
  CHECK(error_of("{a}") == "invalid character 'a' looking for beginning of object key string");
  CHECK(error_of("{\"a\" 1}") == "invalid character '1' after object key");
  CHECK(error_of("{\"a\":1 2}") == "invalid character '2' after object key:value pair");
  CHECK(error_of("{\"a\":1,}") == "invalid character '}' looking for beginning of object key string");
  CHECK(error_of("[1 2]") == "invalid character '2' after array element");
  CHECK(error_of("[1,]") == "invalid character ']' looking for beginning of value");
  CHECK(error_of("'a'") == "invalid character '\\'' looking for beginning of value");
  CHECK(error_of("\xC3\xA9") == "invalid character '\xC3\x83' looking for beginning of value");
  CHECK(error_of("\"\n\"") == "invalid character '\\n' in string literal");
  CHECK(error_of("\"\\x\"") == "invalid character 'x' in string escape code");
  CHECK(error_of("\"\\u00g0\"") == "invalid character 'g' in \\u hexadecimal character escape");
  CHECK(error_of("-x") == "invalid character 'x' in numeric literal");
  CHECK(error_of("01") == "invalid character '1' after top-level value");
  CHECK(error_of("1.x") == "invalid character 'x' after decimal point in numeric literal");
  CHECK(error_of("1ex") == "invalid character 'x' in exponent of numeric literal");
}

TEST_CASE("Names that come twice are noted, by level") {
  auto top = parse_json(R"({"a":1,"b":2,"a":3,"b":4})");
  REQUIRE(top);
  CHECK(top->duplicate_member == 2u);
  CHECK_FALSE(top->duplicate_below);
  auto below = parse_json(R"({"a":{"x":1,"x":2}})");
  REQUIRE(below);
  CHECK_FALSE(below->duplicate_member);
  CHECK(below->duplicate_below == "x");
  CHECK(parse_json(R"([{"y":1,"y":2}])")->duplicate_below == "y");
}

TEST_CASE("JSON that would cost too much is refused") {
  CHECK(error_of(std::string(100'000, '[')) == "exceeded max depth");
  CHECK(error_of(std::string(kJsonDepthMax, '[') + std::string(kJsonDepthMax, ']')).empty());
  std::string many = "[1";
  for (std::size_t i = 0; i < kJsonValuesMax; ++i) many += ",1";
  CHECK(error_of(many + "]") == "too many JSON values");
}

TEST_CASE("Numbers beyond a double are refused when they are used") {
  CHECK_FALSE(parse_json("1e400")->root.number()->to_double());
  CHECK(*parse_json("1e-400")->root.number()->to_double() == 0);
}
