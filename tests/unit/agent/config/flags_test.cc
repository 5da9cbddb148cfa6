#include <catch2/catch.hpp>

#include "agent/config/expand_env.h"
#include "agent/config/flags.h"

using namespace steeple;
using namespace steeple::agent;
using namespace std::chrono_literals;

namespace {

struct Values {
  std::string text = "t";
  bool flag = false;
  std::int64_t number = 0;
  std::chrono::nanoseconds wait = 5s;
  FlagSet set() {
    FlagSet flags("x");
    flags.add("text", text, "A text");
    flags.add("b", flag, "A switch");
    flags.add("number", number, "A number");
    flags.add("wait", wait, "A time");
    return flags;
  }
};

}  // namespace

TEST_CASE("Flags take one or two dashes, with or without an equals sign") {
  Values values;
  FlagSet set = values.set();
  const auto rest = set.parse({"-text", "a", "--number=0x10", "-b", "-wait=1h", "--text=", "word", "-b=false"});
  REQUIRE(rest);
  CHECK(values.text.empty());
  CHECK(values.number == 16);
  CHECK(values.flag);
  CHECK(values.wait == 1h);
  CHECK(*rest == std::vector<std::string>{"word", "-b=false"});
}

TEST_CASE("Two dashes end the flags") {
  Values values;
  FlagSet set = values.set();
  CHECK(*set.parse({"-b", "--", "-text"}) == std::vector<std::string>{"-text"});
  CHECK(*set.parse({"-", "-b"}) == std::vector<std::string>{"-", "-b"});
}

TEST_CASE("Flag errors are Go's") {
  const auto error_of = [](std::vector<std::string> arguments) {
    Values values;
    FlagSet set = values.set();
    const auto rest = set.parse(arguments);
    return rest ? std::string() : rest.error().message();
  };
  CHECK(error_of({"-nope"}) == "flag provided but not defined: -nope");
  CHECK(error_of({"-text"}) == "flag needs an argument: -text");
  CHECK(error_of({"-b=maybe"}) == "invalid boolean value \"maybe\" for -b: parse error");
  CHECK(error_of({"-number", "x"}) == "invalid value \"x\" for flag -number: parse error");
  CHECK(error_of({"-number", "9223372036854775808"}) ==
        "invalid value \"9223372036854775808\" for flag -number: value out of range");
  CHECK(error_of({"-wait", "5"}) == "invalid value \"5\" for flag -wait: time: missing unit in duration \"5\"");
  CHECK(error_of({"---x"}) == "bad flag syntax: ---x");
  CHECK(error_of({"-h"}) == "flag: help requested");
}

TEST_CASE("A usage page shows types and defaults") {
  Values values;
  CHECK(
      values.set().usage() ==
      "Usage of x:\n  -b\n    \tA switch\n  -number int\n    \tA number\n  -text string\n    \tA text (default \"t\")\n"
      "  -wait value\n    \tA time (default 5s)\n");
}

TEST_CASE("Variables are expanded by Go's rules") {
  const Environment environment = [](const std::string& name) -> std::optional<std::string> {
    if (name == "FOO") return "value";
    if (name == "A-B") return "odd";
    if (name == "1") return "one";
    return std::nullopt;
  };
  const std::pair<const char*, const char*> cases[] = {{"$FOO", "value"},
                                                       {"${FOO}", "value"},
                                                       {"$$FOO", "$FOO"},
                                                       {"$${FOO}", "${FOO}"},
                                                       {"$$", "$"},
                                                       {"a$", "a$"},
                                                       {"$ b", "$ b"},
                                                       {"$\"", "$\""},
                                                       {"$1x", "onex"},
                                                       {"${}", ""},
                                                       {"${", ""},
                                                       {"${FOO", "FOO"},
                                                       {"${A-B}", "odd"},
                                                       {"${x y}", ""},
                                                       {"$FOO.x", "value.x"},
                                                       {"$FOO_X", ""},
                                                       {"$*", ""},
                                                       {"${$}", "$"},
                                                       {"", ""},
                                                       {"$FOO$FOO", "valuevalue"}};
  for (const auto& [text, expanded] : cases) {
    INFO(text);
    CHECK(expand_env(text, environment) == expanded);
  }
}
