#include <catch2/catch.hpp>

#include "agent/config/hcl/object_reader.h"
#include "agent/config/hcl/parse_int.h"
#include "agent/config/hcl/parser.h"

using namespace steeple;
using namespace steeple::agent;

namespace {

std::string parse_error(std::string_view text) {
  const auto parsed = hcl::parse(text);
  return parsed ? std::string() : parsed.error().message();
}

// The value of `a` in the text.
std::string value_of(std::string_view text) {
  const auto parsed = hcl::parse(text);
  REQUIRE(parsed);
  auto reader = hcl::ObjectReader::open("root", hcl::View((*parsed)->root), nullptr);
  REQUIRE(reader);
  std::string value;
  const auto read = reader->read("a", value);
  return read ? value : read.error().message();
}

struct Opened {
  std::shared_ptr<const hcl::Document> document;
  hcl::ReadNotes notes;
};

}  // namespace

TEST_CASE("HCL strings keep interpolations as they are") {
  CHECK(value_of(R"(a = "x${f("y\n")}z")") == "x${f(\"y\\n\")}z");
  CHECK(value_of("a = \"${ {\n} }\"") == "${ {\n} }");
  CHECK(value_of(R"(a = "$x $")") == "$x $");
  CHECK(value_of(R"(a = "\a\b\f\n\r\t\v\\\"\101\x41\u0041\U00000041")") == "\a\b\f\n\r\t\v\\\"AAAA");
}

TEST_CASE("HCL heredocs keep their last newline and lose common white space only when asked") {
  CHECK(value_of("a = <<EOF\n x\n  EOF\n") == " x\n  ");
  CHECK(value_of("a = <<-EOF\n  x\n    y\n  EOF\n") == "x\n  y\n");
  CHECK(value_of("a = <<-EOF\n x\n    y\n  EOF\n") == " x\n    y\n");
  CHECK(value_of("a = <<EOF\r\nx\r\nEOF\r\n") == "x\n");
  CHECK(value_of("a = <<EOF\nEOFX\nEOF\n") == "EOFX\n");
  CHECK(parse_error("a = <<EOF\nx") == "At 2:2: heredoc not terminated");
  CHECK(parse_error("a = <<EOF\nx\nEOF") == "At 3:4: heredoc not terminated");
  CHECK(parse_error("a = <<-\nx\n-\n").find("zero-length heredoc anchor") != std::string::npos);
  CHECK(parse_error("a = <<E F\nx\nE F\n") == "At 1:8: invalid characters in heredoc anchor");
}

TEST_CASE("HCL numbers keep their text") {
  CHECK(value_of("a = 0x1F") == "0x1F");
  CHECK(value_of("a = 0777") == "0777");
  CHECK(value_of("a = -12") == "-12");
  CHECK(value_of("a = .5").find("expected a string") != std::string::npos);
  CHECK(value_of("a = 1.5e-3").find("expected a string") != std::string::npos);
  CHECK(parse_error("a = 0x") == "At 1:7: illegal hexadecimal number");
  CHECK(parse_error("a = 09") == "At 1:7: illegal octal number");
}

TEST_CASE("HCL errors name what was found and where") {
  CHECK(parse_error("a b = {}") == "At 1:5: nested object expected: LBRACE got: ASSIGN");
  CHECK(parse_error("= 1") == "At 1:1: no object keys found!");
  CHECK(parse_error("{}").empty());  // that is JSON
  CHECK(parse_error("a {} {}") == "At 1:6: expected: IDENT | STRING got: LBRACE");
  CHECK(parse_error("a = [1 2]") == "At 1:8: error parsing list, expected comma or list end, got: NUMBER");
  CHECK(parse_error("a = [{b}]").find("error while trying to parse object within list: ") != std::string::npos);
  CHECK(parse_error("a = [[=]]").find("error while trying to parse list within list: ") != std::string::npos);
  CHECK(parse_error("a { b }") == "At 1:7: key 'b' expected start of object ('{') or assignment ('=')");
  CHECK(parse_error("a").find("key 'a' expected start of object") != std::string::npos);
  CHECK(parse_error("a { b = ").find("object expected closing RBRACE got: EOF") != std::string::npos);
}

TEST_CASE("Comments may stand anywhere") {
  CHECK(value_of("# x\n// y\n/* z\n*/ a /* k */ = /* v */ 1 # e") == "1");
  CHECK(value_of("b = [ # x\n 1, // y\n 2 /* z */ ] a = 2") == "2");
}

TEST_CASE("Hostile nesting is refused") {
  std::string blocks;
  std::string lists = "a = ";
  std::string json = "{";
  for (int i = 0; i < 100'000; ++i) {
    blocks += "a {";
    lists += "[";
    json += "\"a\":{";
  }
  CHECK(parse_error(blocks).find("nested deeper than 100") != std::string::npos);
  CHECK(parse_error(lists).find("nested deeper than 100") != std::string::npos);
  CHECK(parse_error(json).find("nested deeper than 100") != std::string::npos);
  CHECK(parse_error(std::string(hcl::kTextSizeMax + 1, ' ')).find("larger than") != std::string::npos);
}

TEST_CASE("JSON surrogate pairs make one character") {
  CHECK(value_of(R"({"a":"\ud83d\ude00"})") == "\xF0\x9F\x98\x80");
  CHECK(value_of(R"({"a":"\ud83dx"})") == "\xEF\xBF\xBDx");
  CHECK(value_of(R"({"a":"${x}"})") == "${x}");
}

TEST_CASE("JSON objects and lists of objects are interchangeable") {
  for (const char* text : {R"({"k":1,"o":{"x":{"y":{"v":"1"}}}})", R"({"k":1,"o":[{"x":[{"y":[{"v":"1"}]}]}]})",
                           "k = 1 o \"x\" \"y\" { v = 1 }", "k = 1 o { x { y { v = 1 } } }"}) {
    INFO(text);
    const auto parsed = hcl::parse(text);
    REQUIRE(parsed);
    auto reader = hcl::ObjectReader::open("root", hcl::View((*parsed)->root), nullptr);
    REQUIRE(reader);
    std::string value;
    const auto read = reader->read_block("o", [&](hcl::ObjectReader& o) -> runtime::Result<void> {
      const auto inner = o.read_block("x", [&](hcl::ObjectReader& x) -> runtime::Result<void> {
        const auto innermost = x.read_block("y", [&](hcl::ObjectReader& y) { return y.read("v", value); });
        if (!innermost) return innermost.error();
        return {};
      });
      if (!inner) return inner.error();
      return {};
    });
    CHECK(read);
    CHECK(value == "1");
  }
}

TEST_CASE("Repeated keys follow their kind") {
  const auto parsed = hcl::parse("s = 1 s = 2 l = [1] l = [2, 3] b { x = 1 } b { y = 2 }");
  REQUIRE(parsed);
  auto reader = hcl::ObjectReader::open("root", hcl::View((*parsed)->root), nullptr);
  std::string s;
  std::vector<std::string> l;
  std::int64_t x = 0;
  std::int64_t y = 0;
  REQUIRE(reader->read("S", s));
  REQUIRE(reader->read("l", l));
  const auto both = [&](hcl::ObjectReader& b) -> runtime::Result<void> {
    STEEPLE_CHECK(b.read("x", x));
    return b.read("y", y);
  };
  REQUIRE(reader->read_block("b", both));
  CHECK(s == "2");
  CHECK(l == std::vector<std::string>{"1", "2", "3"});
  CHECK(x == 1);
  CHECK(y == 2);
  CHECK(reader->unknown_keys().fatal.empty());
}

TEST_CASE("Unknown keys are told apart by whether SPIRE notices them") {
  const auto parsed = hcl::parse("a = 1 c = 2 \"q\" = 3 l \"x\" { y = 1 } c = 4");
  REQUIRE(parsed);
  auto reader = hcl::ObjectReader::open("root", hcl::View((*parsed)->root), nullptr);
  std::string a;
  REQUIRE(reader->read("a", a));
  CHECK(reader->unknown_keys().fatal == std::vector<std::string>{"c"});
  CHECK(reader->unknown_keys().unnoticed == std::vector<std::string>{"q", "l"});
}

TEST_CASE("Old booleans are taken and noted") {
  const auto parsed = hcl::parse("a = \"TRUE\" b = 0 c = \"yes\" d = true");
  REQUIRE(parsed);
  hcl::ReadNotes notes;
  auto reader = hcl::ObjectReader::open("root", hcl::View((*parsed)->root), &notes);
  bool a = false;
  bool b = true;
  bool c = false;
  bool d = false;
  CHECK(reader->read("a", a));
  CHECK(reader->read("b", b));
  CHECK(reader->read("d", d));
  CHECK((a && !b && d));
  CHECK(notes.old_booleans == std::vector<std::string>{"root.a", "root.b"});
  const auto refused = reader->read("c", c);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message() == "At 1:22: root.c: unknown type *ast.LiteralType (expected true or false)");
}

TEST_CASE("Integers are read in every base of Go") {
  const std::pair<const char*, std::int64_t> good[] = {{"0", 0},
                                                       {"-0", 0},
                                                       {"017", 15},
                                                       {"0o17", 15},
                                                       {"0b101", 5},
                                                       {"0xfF", 255},
                                                       {"1_000", 1000},
                                                       {"0_17", 15},
                                                       {"0x_ff", 255},
                                                       {"+7", 7},
                                                       {"9223372036854775807", INT64_MAX},
                                                       {"-9223372036854775808", INT64_MIN}};
  for (const auto& [text, value] : good) {
    INFO(text);
    const auto parsed = hcl::parse_int_any_base(text);
    REQUIRE(parsed);
    CHECK(*parsed == value);
  }
  for (const char* text : {"", "-", "+", "a", "1a", "0x", "08", "1__0", "_1", "1_", "0b2", " 1", "1 ", "--1", "0x-1"}) {
    INFO(text);
    CHECK_FALSE(hcl::parse_int_any_base(text));
  }
  CHECK(hcl::parse_int_any_base("9223372036854775808").error().message() == "value out of range");
  CHECK(hcl::parse_int_any_base("99999999999999999999999").error().message() == "value out of range");
}
