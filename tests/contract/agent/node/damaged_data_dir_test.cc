// Starts from damaged data directories against the recordings of SPIRE agent 1.15.3. Deviations, by design: where the
// SPIRE agent ends at a corrupt agent-data.json or keys.json, Steeple keeps the file aside and attests anew.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "runtime/core/go_text.h"
#include "tests/unit/agent/node/node_world.h"

namespace steeple::agent {

namespace {

using Lines = std::vector<std::string>;

void write(const std::string& path, const std::string& content) { std::ofstream(path, std::ios::trunc) << content; }

std::string read(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

Lines attestor_lines(const NodeRun& run) {
  Lines lines;
  for (const std::string& line : run.lines()) {
    if (line.find("subsystem_name=attestor") != std::string::npos) lines.push_back(line);
  }
  return lines;
}

// The recorded lines of a case, found by their messages: the file keeps them as JSON, in order.
Lines recorded_messages(const std::string& id) {
  std::string text = read(std::string(STEEPLE_TEST_DATA) + "/node-logs/damaged-data-dir.jsonl");
  std::size_t at = text.find("{\"id\": \"" + id + "\"");
  REQUIRE(at != std::string::npos);
  std::string line = text.substr(at, text.find('\n', at) - at);
  Lines messages;
  const std::string key = "\"msg\": \"";
  for (std::size_t found = line.find(key); found != std::string::npos; found = line.find(key, found + 1)) {
    std::size_t begin = found + key.size();
    messages.push_back(line.substr(begin, line.find('"', begin) - begin));
  }
  return messages;
}

void check_as_recorded(const NodeRun& run, const std::string& id) {
  Lines lines = attestor_lines(run);
  Lines messages = recorded_messages(id);
  REQUIRE(lines.size() == messages.size());
  for (std::size_t i = 0; i < lines.size(); ++i) {
    CHECK(lines[i].find("msg=" + runtime::go_quote(messages[i])) != std::string::npos);
  }
}

}  // namespace

TEST_CASE("A damaged data directory is met as recorded") {
  auto empty_object = [](NodeWorld& w) { write(w.path("agent-data.json"), "{}"); };
  auto only = [](const std::string& key) {
    return [key](NodeWorld& w) {
      AgentData data = parse_agent_data(read(w.path("agent-data.json"))).value();
      AgentData kept;
      if (key == "bundle") kept.bundle = data.bundle;
      if (key == "reattestable") kept.reattestable = data.reattestable;
      if (key == "bootstrap_use") kept.bootstrap.use = data.bootstrap.use;
      if (key == "svid") kept.svid = data.svid;
      write(w.path("agent-data.json"), format_agent_data(kept));
    };
  };
  auto other_keys = [](NodeWorld& w) {
    std::filesystem::remove(w.path("keys.json"));
    runtime::Logger quiet;
    REQUIRE(DiskKeyManager::open(w.directory.path, quiet).value()->generate("agent-svid-A", runtime::KeyType::kEcP256));
  };
  auto other_id = [](NodeWorld& w) {
    std::string text = read(w.path("keys.json"));
    write(w.path("keys.json"), text.replace(text.find("agent-svid-A"), 12, "some-other-id"));
  };
  const std::map<std::string, std::function<void(NodeWorld&)>> cases = {
      {"intact", [](NodeWorld&) {}},
      {"no-agent-data", [](NodeWorld& w) { std::filesystem::remove(w.path("agent-data.json")); }},
      {"no-keys", [](NodeWorld& w) { std::filesystem::remove(w.path("keys.json")); }},
      {"both-missing",
       [](NodeWorld& w) {
         std::filesystem::remove(w.path("agent-data.json"));
         std::filesystem::remove(w.path("keys.json"));
       }},
      {"data-dir-missing", [](NodeWorld& w) { std::filesystem::remove_all(w.directory.path); }},
      {"agent-data-empty-object", empty_object},
      {"agent-data-only-bundle", only("bundle")},
      {"agent-data-only-reattestable", only("reattestable")},
      {"agent-data-only-bootstrap_use", only("bootstrap_use")},
      {"agent-data-only-svid", only("svid")},
      {"keys-empty-object", [](NodeWorld& w) { write(w.path("keys.json"), "{}"); }},
      {"keys-other-id", other_id},
      {"other-agents-key", other_keys},
  };
  for (const auto& [id, damage] : cases) {
    INFO(id);
    NodeWorld world;
    REQUIRE(NodeRun(world).establish());
    damage(world);
    NodeRun run(world);
    REQUIRE(run.establish());
    check_as_recorded(run, id);
    CHECK(run.on_disk().svid == run.identity.svid()->chain());
    CHECK_FALSE(run.on_disk().bundle.empty());
    CHECK(run.on_disk().bootstrap.use == BootstrapUse::kRebootstrap);
    // And what is on disk now is enough for a start without the server.
    int attestations = world.server.attestations;
    NodeRun again(world);
    REQUIRE(again.establish());
    CHECK(world.server.attestations == attestations);
  }
}

TEST_CASE("A corrupt file is kept aside and the agent attests anew") {
  struct Case {
    const char* file;
    const char* content;
    const char* as_if;
  };
  for (const Case& each :
       {Case{"agent-data.json", "", "no-agent-data"}, Case{"agent-data.json", "garbage", "no-agent-data"},
        Case{"agent-data.json", R"({"svid":["bm90aGluZw=="]})", "no-agent-data"}, Case{"keys.json", "", "no-keys"},
        Case{"keys.json", "garbage", "no-keys"}, Case{"keys.json", R"({"keys":{"agent-svid-A":"AAAA"}})", "no-keys"}}) {
    INFO(each.file << ": " << each.content);
    NodeWorld world;
    REQUIRE(NodeRun(world).establish());
    write(world.path(each.file), each.content);
    NodeRun run(world);
    REQUIRE(run.establish());
    check_as_recorded(run, each.as_if);
    CHECK(world.server.attestations == 2);
    bool aside = false;
    for (const auto& entry : std::filesystem::directory_iterator(world.directory.path)) {
      std::string name = entry.path().filename();
      if (name != each.file && name.starts_with(each.file)) aside = read(entry.path()) == each.content;
    }
    CHECK(aside);
  }
}

}  // namespace steeple::agent
