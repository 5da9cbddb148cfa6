// The usage pages: names, kinds and defaults of every flag as recorded. The sentences are our own.
#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "agent/cli/command.h"

namespace json = boost::json;
using namespace steeple;

namespace {

struct Shown {
  std::string name;
  std::string kind;
  std::string default_text;
  bool operator==(const Shown&) const = default;
};

std::vector<Shown> flags_of(const std::string& page) {
  std::vector<Shown> flags;
  std::istringstream lines(page);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  -")) {
      std::istringstream words(line.substr(3));
      Shown flag;
      words >> flag.name >> flag.kind;
      if (flag.kind.empty()) flag.kind = "bool";
      flags.push_back(flag);
    } else if (const std::size_t at = line.rfind(" (default "); at != std::string::npos && !line.ends_with("all)")) {
      flags.back().default_text = line.substr(at + 10, line.size() - at - 11);
    }
  }
  return flags;
}

}  // namespace

TEST_CASE("Usage pages list the recorded flags") {
  std::ifstream in(std::string(STEEPLE_TEST_DATA) + "/cli/flags.json");
  std::stringstream text;
  text << in.rdbuf();
  const json::value recorded = json::parse(text.str());
  std::size_t seen = 0;
  for (const agent::cli::Command& command : agent::cli::commands()) {
    const std::string words(command.words);
    if (words == "api fetch") continue;  // prints the pages of its children, which are compared by themselves
    INFO(words);
    const json::object& object = recorded.as_object().at(words).as_object();
    std::vector<Shown> expected;
    for (const json::value& flag : object.at("flags").as_array()) {
      const json::object& one = flag.as_object();
      expected.push_back({std::string(one.at("name").as_string()), std::string(one.at("kind").as_string()),
                          one.at("default").is_null() ? "" : std::string(one.at("default").as_string())});
    }
    const std::string page = command.usage();
    CHECK(page.starts_with("Usage of " + std::string(object.at("usage_name").as_string()) + ":\n"));
    const std::vector<Shown> shown = flags_of(page);
    REQUIRE(shown.size() == expected.size());
    for (std::size_t i = 0; i < shown.size(); ++i) {
      INFO(expected[i].name);
      CHECK(shown[i].name == expected[i].name);
      CHECK(shown[i].kind == expected[i].kind);
      CHECK(shown[i].default_text == expected[i].default_text);
    }
    CHECK(command.help_ending == (object.at("ends_with_blank_line").as_bool() ? "" : "flag: help requested"));
    ++seen;
  }
  CHECK(seen == 11);
}
