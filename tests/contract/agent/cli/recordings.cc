#define BOOST_JSON_STACK_BUFFER_SIZE 4096
#include "recordings.h"

#include <boost/json/src.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <regex>

namespace json = boost::json;

namespace steeple::tests {
namespace {

std::string text_of(const json::object& object, std::string_view key) {
  const json::value* value = object.if_contains(key);
  return value ? std::string(value->as_string()) : "";
}

// The usage page of each flag set, by its name.
std::string with_usages(std::string text) {
  for (const agent::cli::Command& command : agent::cli::commands()) {
    const std::string usage = command.usage();
    const std::string header = usage.substr(0, usage.find('\n'));
    const std::string name = header.substr(9, header.size() - 10);  // "Usage of NAME:"
    text = replace_all(text, "<USAGE OF " + name + ">", std::string_view(usage).substr(0, usage.size() - 1));
  }
  return text;
}

}  // namespace

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

std::vector<Recording> load_recordings(const std::string& file,
                                       const std::map<std::string, std::string>& placeholders) {
  std::ifstream in(std::string(STEEPLE_TEST_DATA) + "/cli/" + file);
  REQUIRE(in);
  const auto expand = [&](std::string text) {
    for (const auto& [name, value] : placeholders) text = replace_all(text, name, value);
    return text;
  };
  std::vector<Recording> recordings;
  for (std::string line; std::getline(in, line);) {
    const json::value parsed = json::parse(line);
    const json::object& object = parsed.as_object();
    Recording one;
    one.id = text_of(object, "id");
    one.state = text_of(object, "state");
    for (const json::value& word : object.at("argv").as_array())
      one.arguments.push_back(expand(std::string(word.as_string())));
    one.arguments.erase(one.arguments.begin());
    if (const json::value* env = object.if_contains("env")) {
      for (const auto& [name, value] : env->as_object())
        one.environment[std::string(name)] = expand(std::string(value.as_string()));
    }
    one.exit = static_cast<int>(object.at("exit").as_int64());
    one.out = expand(text_of(object, "stdout"));
    one.err = expand(with_usages(text_of(object, "stderr")));
    recordings.push_back(std::move(one));
  }
  return recordings;
}

Printed run_recording(const Recording& recording) {
  agent::cli::StringOutput output;
  const agent::Environment environment = [&recording](const std::string& name) -> std::optional<std::string> {
    const auto at = recording.environment.find(name);
    return at == recording.environment.end() ? std::nullopt : std::optional(at->second);
  };
  agent::cli::Context context{output, environment, [](agent::AgentConfig) { return 0; }};
  Printed printed;
  printed.exit = agent::cli::dispatch(recording.arguments, context);
  printed.out = output.out_text;
  printed.err = output.err_text;
  return printed;
}

bool matches(const std::string& actual, const std::string& recorded) {
  static const std::regex kSpecial(R"([.^$|()\[\]{}*+?\\])");
  std::string pattern = std::regex_replace(recorded, kSpecial, R"(\$&)");
  pattern = replace_all(pattern, "<TEXT>", "[^\n]*");
  pattern = replace_all(pattern, "<GOTIME>", R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC)");
  pattern = replace_all(pattern, "<DUR>", "[0-9.]+(ns|µs|ms|s)");
  pattern = replace_all(pattern, "<BASE64>", "[A-Za-z0-9+/]+=*");
  return std::regex_match(actual, std::regex(pattern));
}

}  // namespace steeple::tests
