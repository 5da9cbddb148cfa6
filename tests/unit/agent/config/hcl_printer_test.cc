#include "agent/config/hcl/printer.h"

#include <catch2/catch.hpp>

#include "agent/config/hcl/parser.h"

using namespace steeple::agent::hcl;

namespace {

std::string printed(std::string_view text) {
  auto document = parse(text);
  REQUIRE(document);
  return print(View((*document)->root));
}

}  // namespace

TEST_CASE("A document is printed so that it reads the same") {
  CHECK(printed("a=1, b = \"x\\ty\"\n# gone\nc { d = true e \"l\" \"m\" { } }") ==
        "a = 1\nb = \"x\\ty\"\nc {\n  d = true\n  e \"l\" \"m\" {\n  }\n}");
  CHECK(printed("l = [1, \"two\", {a=[]},]") == "l = [\n  1,\n  \"two\",\n  {\n    a = [\n    ]\n  },\n]");
  CHECK(printed("h = <<EOF\nline1\nline2\nEOF\no = 2") == "h = <<EOF\nline1\nline2\nEOF\no = 2");
  CHECK(printed("").empty());
}

TEST_CASE("A heredoc keeps the newline that ends it") {
  const std::string text = printed("h = <<EOF\nx\nEOF\n");
  CHECK(text == "h = <<EOF\nx\nEOF\n");
  auto again = parse(printed("l = [<<EOF\nx\nEOF\n, 2]"));
  REQUIRE(again);
  CHECK((*again)->root.items[0].value->elements[0]->literal.value == "x\n");
}

TEST_CASE("JSON comes out as HCL: its escapes, its chains, its nulls") {
  CHECK(printed(R"({"a": "q\"\u00e9/\n${x}", "n": null, "f": -1.5e3, "l": [{"k": 1}, "v"]})") ==
        "\"a\" = \"q\\\"\u00e9/\\n\\u0024{x}\"\n\"f\" = -1.5e3\n\"l\" = [\n  {\n    \"k\" = 1\n  },\n  \"v\",\n]");
  for (const char* text : {R"({"a": {"b": {"c": 1}}})", R"({"a": {"b": {"c": {"d": "${"}}}, "e": 2})"}) {
    auto again = parse(printed(text));
    INFO(printed(text));
    REQUIRE(again);
    CHECK_FALSE((*again)->json);
    CHECK(print(View((*again)->root)) == printed(text));
  }
  auto interpolation = parse(printed(R"({"a": "${ not closed"})"));
  REQUIRE(interpolation);
  CHECK((*interpolation)->root.items[0].value->literal.value == "${ not closed");
}
