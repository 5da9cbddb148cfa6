// Plugins that SPIRE 1.15.3 refused at start, or took: the error it gave and the lines its catalog logged.
#include <unistd.h>

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <regex>
#include <set>

#include "agent/config/load.h"

namespace json = boost::json;
using namespace steeple;
using namespace steeple::agent;

namespace {

const std::map<std::string, std::string> kBlocks = {
    {"<JT>", R"(NodeAttestor "join_token" { plugin_data {} })"},
    {"<KM>", R"(KeyManager "memory" { plugin_data {} })"},
    {"<UX>", R"(WorkloadAttestor "unix" { plugin_data {} })"},
};

std::string expand(std::string text, const std::string& directory) {
  auto blocks = kBlocks;
  blocks["<DIR>"] = directory;
  for (const auto& [name, value] : blocks) {
    for (std::size_t at = 0; (at = text.find(name, at)) != std::string::npos; at += value.size()) {
      text.replace(at, name.size(), value);
    }
  }
  return text;
}

runtime::Result<void> configure_all(const PluginConfigs& plugins, const runtime::Logger& log) {
  STEEPLE_CHECK(check_plugins(plugins, log));
  for (const PluginConfig& plugin : plugins.all()) {
    if (!plugin.enabled) continue;
    if (plugin.name == "disk") {
      if (auto keys = disk_key_manager_keys(plugin, log); !keys) return keys.error();
    }
    if (plugin.name == "x509pop") {
      if (auto keys = x509pop_keys(plugin, log); !keys) return keys.error();
    }
    if (plugin.name == "k8s_psat" || plugin.name == "k8s_sat") {
      if (auto keys = k8s_token_keys(plugin, log); !keys) return keys.error();
    }
    if (plugin.name == "unix") {
      if (auto keys = unix_attestor_keys(plugin, log); !keys) return keys.error();
    }
  }
  return {};
}

// The position is that in the file, where SPIRE prints one in its rewritten form of the block; and it says what it
// expected.
std::string comparable(const std::string& text) {
  static const std::regex kPosition("At [0-9]+:[0-9]+: ");
  static const std::regex kExpected(R"( \(expected [^)]*\))");
  return std::regex_replace(std::regex_replace(text, kPosition, "At -: "), kExpected, "");
}

// Left out, with the reason.
const std::set<std::string> kLeftOut = {
    "empty-plugins",          // which missing type SPIRE names first is random
    "x509pop-missing-files",  // the files are the attestor's business
    "x509pop-mismatch",       // same
    "unix-data-string",       // SPIRE's parser's complaint about its rewritten form; ours is checked below
};

}  // namespace

TEST_CASE("Plugins are refused as recorded") {
  char name[] = "/tmp/steeple-plugins-XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  const std::string directory = name;
  std::ofstream(directory + "/unix.hcl") << "discover_workload_path = true\n";
  std::ifstream in(std::string(STEEPLE_TEST_DATA) + "/config/plugin-errors.jsonl");
  std::size_t compared = 0;
  for (std::string line; std::getline(in, line);) {
    const json::value parsed = json::parse(line);
    const json::object& one = parsed.as_object();
    const std::string id(one.at("id").as_string());
    if (kLeftOut.contains(id)) continue;
    INFO(line);
    const std::string text = "plugins { " + expand(std::string(one.at("plugins").as_string()), directory) + " }";
    const auto file = decode_config(text);
    REQUIRE(file);
    const auto plugins = read_plugins(file->document, *file->plugins, nullptr);
    REQUIRE(plugins);
    std::string log_text;
    const runtime::Logger log(runtime::make_string_sink(&log_text), runtime::LogLevel::kDebug,
                              runtime::LogFormat::kJson);
    const auto configured = configure_all(*plugins, log);
    CHECK(configured.has_value() == one.at("exit").is_null());
    for (const json::value& entry : one.at("log").as_array()) {
      const json::object& recorded = entry.as_object();
      const std::string message(recorded.at("msg").as_string());
      if (message == "Agent crashed") {
        REQUIRE_FALSE(configured);
        CHECK(comparable(configured.error().message()) ==
              comparable(std::string(recorded.at("fields").as_object().at("error").as_string())));
        continue;
      }
      if (message == "Failed to retrieve attestation result") continue;  // what came after
      INFO(log_text);
      CHECK(log_text.find("\"msg\":\"" + message + "\"") != std::string::npos);
      for (const auto& [key, value] : recorded.at("fields").as_object()) {
        const bool boolean = key == "external";
        const std::string shown = boolean ? std::string(value.as_string()) : json::serialize(value);
        const std::string field = "\"" + std::string(key) + "\":" + shown;
        CHECK(comparable(log_text).find(comparable(field)) != std::string::npos);
      }
    }
    ++compared;
  }
  CHECK(compared >= 24);
  unlink((directory + "/unix.hcl").c_str());
  rmdir(directory.c_str());
}
