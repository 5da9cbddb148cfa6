// Every recorded `validate` of SPIRE 1.15.3, run through load_config(): exit code, stdout (log and verdict) and stderr.
// Differences are listed by rule or by case, each with its reason; anything else is a failure.
#define BOOST_JSON_STACK_BUFFER_SIZE 4096
#include <unistd.h>

#include <boost/json/src.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>

#include "agent/config/config_flags.h"
#include "agent/config/load.h"

namespace json = boost::json;
using namespace steeple;
using namespace steeple::agent;

namespace {

constexpr std::string_view kBase =
    R"(server_address = "s" server_port = 8081 trust_domain = "example.org" insecure_bootstrap = true)";
constexpr std::string_view kPlugins =
    R"(plugins { NodeAttestor "join_token" { plugin_data {} } KeyManager "memory" { plugin_data {)"
    R"(} } WorkloadAttestor "unix" { plugin_data {} } })";
constexpr std::string_view kAgentJson =
    R"("agent":{"server_address":"s","server_port":8081,"trust_domain":"example.org","insecure_bootstrap":true})";
constexpr std::string_view kPluginArrays =
    R"("plugins":{"KeyManager":[{"memory":{"plugin_data":null}}],"NodeAttestor":[{"k8s_psat":{"pl)"
    R"(ugin_data":{"cluster":"prod"}}}],"WorkloadAttestor":[{"k8s":{"plugin_data":{"skip_kubelet_)"
    R"(verification":true}}},{"unix":{"plugin_data":null}}]})";

std::string replace_all(std::string text, std::string_view from, std::string_view to) {
  for (std::size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
  return text;
}

// A directory with the files that cases speak of. Cases run in it.
class Workspace {
 public:
  Workspace() : before_(std::filesystem::current_path()) {
    char name[] = "/tmp/steeple-config-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    directory_ = name;
    std::ofstream(directory_ + "/tok") << "token\n";
    std::ofstream(directory_ + "/tokempty") << " \n";
    std::ofstream(directory_ + "/bad.conf") << "agent {";
    std::filesystem::current_path(directory_);
  }
  ~Workspace() {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(directory_);
  }
  const std::string& directory() const { return directory_; }
  std::string expand(std::string text) const {
    text = replace_all(text, "<BASE>", kBase);
    text = replace_all(text, "<PLUGINS>", kPlugins);
    text = replace_all(text, "<AGENT>", kAgentJson);
    text = replace_all(text, "<PLUGINS-ARRAYS>", kPluginArrays);
    text = replace_all(text, "<VALID>", "SPIRE agent configuration file is valid.\n");
    text = replace_all(text, "<INVALID>", "SPIRE agent configuration file is invalid: ");
    text = replace_all(text, "<DECODE>", "unable to decode configuration at \"<DIR>/agent.conf\": ");
    return replace_all(text, "<DIR>", directory_);
  }

 private:
  std::filesystem::path before_;
  std::string directory_;
};

struct Outcome {
  int exit = 0;
  std::string out;
  std::string err;
};

struct Case {
  std::string id;
  std::string config;
  std::vector<std::string> args;
  std::map<std::string, std::string> env;
  std::string command = "validate";
  Outcome recorded;
};

std::string text_of(const json::object& object, std::string_view key, std::string otherwise = "") {
  const json::value* value = object.if_contains(key);
  return value ? std::string(value->as_string()) : otherwise;
}

std::string from_latin1(const std::string& utf8) {
  std::string bytes;
  for (std::size_t i = 0; i < utf8.size(); ++i) {
    const auto c = static_cast<unsigned char>(utf8[i]);
    if (c < 0x80) {
      bytes.push_back(utf8[i]);
    } else {
      bytes.push_back(static_cast<char>(((c & 3) << 6) | (static_cast<unsigned char>(utf8[++i]) & 0x3F)));
    }
  }
  return bytes;
}

std::vector<Case> load_cases(const std::string& file, const Workspace& workspace) {
  std::ifstream in(std::string(STEEPLE_TEST_DATA) + "/config/" + file);
  REQUIRE(in);
  std::vector<Case> cases;
  for (std::string line; std::getline(in, line);) {
    const json::value parsed = json::parse(line);
    const json::object& object = parsed.as_object();
    Case one;
    one.id = text_of(object, "id");
    one.config = workspace.expand(text_of(object, "config"));
    if (object.contains("config_bytes_latin1")) one.config = from_latin1(text_of(object, "config_bytes_latin1"));
    one.command = text_of(object, "command", "validate");
    if (const json::value* args = object.if_contains("args")) {
      for (const json::value& arg : args->as_array())
        one.args.push_back(workspace.expand(std::string(arg.as_string())));
    }
    if (const json::value* env = object.if_contains("env")) {
      for (const auto& [name, value] : env->as_object()) one.env[std::string(name)] = std::string(value.as_string());
    }
    one.recorded.exit = static_cast<int>(object.at("exit").as_int64());
    one.recorded.out = workspace.expand(text_of(object, "stdout", one.recorded.exit == 0 ? "<VALID>" : ""));
    one.recorded.err = workspace.expand(text_of(object, "stderr"));
    cases.push_back(std::move(one));
  }
  return cases;
}

// As the commands `validate` and `run` do before anything starts.
Outcome run_case(const Case& one, const Workspace& workspace) {
  std::vector<std::string> args = one.args;
  const bool has_config = !one.config.empty() || one.id.starts_with("empty");
  if (has_config) {
    std::ofstream(workspace.directory() + "/agent.conf", std::ios::binary) << one.config;
    args.insert(args.begin(), {"-config", workspace.directory() + "/agent.conf"});
  }
  ConfigFlags flags;
  FlagSet set = config_flag_set(one.command, flags);
  const auto parsed = set.parse(args);
  REQUIRE(parsed.has_value());
  Outcome outcome;
  LoadContext context;
  context.environment = [&one](const std::string& name) -> std::optional<std::string> {
    const auto at = one.env.find(name);
    return at == one.env.end() ? std::nullopt : std::optional(at->second);
  };
  context.sink_argument = &outcome.out;
  context.make_sink = [](void* out) { return runtime::make_string_sink(static_cast<std::string*>(out)); };
  const runtime::Result<AgentConfig> config = load_config(flags, context);
  if (config) {
    outcome.out += "SPIRE agent configuration file is valid.\n";
  } else {
    outcome.exit = 1;
    const std::string_view prefix = one.command == "run" ? "" : "SPIRE agent configuration file is invalid: ";
    outcome.err = std::string(prefix) + config.error().message() + "\n";
  }
  static const std::regex kTime(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d))");
  outcome.out = std::regex_replace(outcome.out, kTime, "<TIME>");
  return outcome;
}

// ---- Differences
// ------------------------------------------------------------------------------------------------------

// Type errors say what was expected, and conversion errors say where: "wording of parser errors" may differ.
// The JSON form has positions, where SPIRE prints "At -".
std::string without_our_additions(const std::string& text) {
  static const std::regex kExpected(R"( \((?:[\w.\[\]]+: )?expected [^)]*\))");
  static const std::regex kConversion(R"(At (?:[0-9]+:[0-9]+|-): root\.[\w.\[\]]+: (strconv\.ParseInt))");
  return std::regex_replace(std::regex_replace(text, kExpected, ""), kConversion, "$1");
}
std::string without_positions(const std::string& text) {
  static const std::regex kPosition(R"(At (?:[0-9]+:[0-9]+|-): (root|unknown slice))");
  return std::regex_replace(text, kPosition, "At -: $1");
}

// Features that SPIRE has and this version has not are refused by name once everything else is right; then stdout keeps
// its log lines and loses the verdict.
void expect_refusal(Outcome& expected, const std::string& what) {
  expected.exit = 1;
  expected.out = replace_all(expected.out, "SPIRE agent configuration file is valid.\n", "");
  expected.err = "SPIRE agent configuration file is invalid: " + what + "\n";
}

struct Refusal {
  std::string_view pattern;  // of the configuration text
  std::string_view what;
};
constexpr std::string_view kUnavailable = " not available in this version of Steeple";
const Refusal kRefusals[] = {
    {"trust_bundle_spiffe_workload_api=", "agent.trust_bundle_spiffe_workload_api is"},
    {"require_pq_kem", "agent.experimental.require_pq_kem is"},
    {"broker\"?[ :]\\{", "agent.experimental.broker is"},
    {"feature_flags", "agent.experimental.feature_flags is"},
    {"M3", "telemetry.M3 is"},
    {"NodeAttestor \"ext\"", "failed to load plugin \"ext\": external NodeAttestor plugins are"},
    {"\"plugin_cmd\":", "failed to load plugin \"x\": external NodeAttestor plugins are"},
};

// Configurations that SPIRE refuses and Steeple takes, and places where Steeple says more.
struct Exception {
  std::string_view id;
  std::string_view reason;
  int exit;
  std::string_view out;
  std::string_view err;
};
constexpr std::string_view kOld = "booleans as SPIRE before 1.7 took them: accepted with a warning";
constexpr std::string_view kRemoved = "a key that SPIRE removed: accepted with a warning";
constexpr std::string_view kQuiet = "a warning in a place where SPIRE overlooks unknown keys";
constexpr std::string_view kChain = "keys below a JSON document's first member are not unknown keys";
constexpr std::string_view kOldVerifiersValid =
    "time=\"<TIME>\" level=warning msg=\"Boolean is written in a way that newer SPIRE agents refuse; write true or "
    "false\" "
    "key=root.agent.allow_unauthenticated_verifiers\n<VALID>";
#define IGNORED(keys, section) \
  "time=\"<TIME>\" level=warning msg=\"Unknown configuration ignored\" keys=" keys " section=" section "\n<VALID>"
#define REMOVED(key, section)                                                                                         \
  "time=\"<TIME>\" level=warning msg=\"Configuration key has had no effect for several releases and can be removed\"" \
  " key=" key " section=" section "\n"
const Exception kExceptions[] = {
    {"bool-from-string-true", kOld, 0, kOldVerifiersValid, ""},
    {"bool-from-number-1", kOld, 0, kOldVerifiersValid, ""},
    {"bool-from-string-1", kOld, 0, kOldVerifiersValid, ""},
    {"bool-from-string-false", kOld, 0, kOldVerifiersValid, ""},
    {"bool-from-number-0", kOld, 0, kOldVerifiersValid, ""},
    {"string-bool", kOld, 0,
     "time=\"<TIME>\" level=warning msg=\"Boolean is written in a way that newer SPIRE agents refuse; write true or "
     "false\" key=root.agent.insecure_bootstrap\n<VALID>",
     ""},
    {"plugins-enabled-string", kOld, 0,
     "time=\"<TIME>\" level=warning msg=\"Boolean is written in a way that newer SPIRE agents refuse; write true or "
     "false\" key=\"root[0].KeyManager.memory.enabled\"\n<VALID>",
     ""},
    {"unknown-agent-removed-retry-bootstrap", kRemoved, 0, REMOVED("retry_bootstrap", "agent") "<VALID>", ""},
    {"unknown-agent-removed-disable-reattest", kRemoved, 0, REMOVED("disable_reattest_to_renew", "agent") "<VALID>",
     ""},
    {"chart", kRemoved, 0, REMOVED("retry_bootstrap", "agent") "<VALID>", ""},
    {"inmem-enabled", kRemoved, 0, REMOVED("enabled", "InMem") "<VALID>", ""},
    {"quoted-unknown-key", kQuiet, 0, IGNORED("nope", "agent"), ""},
    {"experimental-nope-x", kQuiet, 0, IGNORED("nope", "experimental"), ""},
    {"experimental-x509_svid_cache_max_size--5", kQuiet, 0, IGNORED("x509_svid_cache_max_size", "experimental"), ""},
    {"unknown-telemetry", kQuiet, 0, IGNORED("nope", "telemetry"), ""},
    {"unknown-sds", kQuiet, 0, IGNORED("nope", "sds"), ""},
    {"unknown-experimental", kQuiet, 0, IGNORED("nope", "experimental"), ""},
    {"unknown-prometheus-tls", kQuiet, 0, IGNORED("nope", "Prometheus.tls"), ""},
    {"plugins-first", kChain, 0, "<VALID>", ""},
    {"agent-only-sds-object", kChain, 0, "<VALID>", ""},
    {"agent-sds-first-array", kChain, 0, "<VALID>", ""},
    {"telemetry-first", kChain, 0, "<VALID>", ""},
};

Outcome expected_outcome(const Case& one, const Workspace& workspace) {
  for (const Exception& exception : kExceptions) {
    if (exception.id != one.id) continue;
    return {exception.exit, workspace.expand(std::string(exception.out)), workspace.expand(std::string(exception.err))};
  }
  Outcome expected = one.recorded;
  if (expected.exit != 0) return expected;
  for (const Refusal& refusal : kRefusals) {
    if (!std::regex_search(one.config, std::regex(std::string(refusal.pattern)))) continue;
    expect_refusal(expected, std::string(refusal.what) + std::string(kUnavailable));
    break;
  }
  return expected;
}

void check_recordings(const std::string& file, std::size_t count_min) {
  Workspace workspace;
  const std::vector<Case> cases = load_cases(file, workspace);
  REQUIRE(cases.size() >= count_min);
  for (const Case& one : cases) {
    INFO(file << ": " << one.id << "\n" << one.config);
    const Outcome expected = expected_outcome(one, workspace);
    const Outcome actual = run_case(one, workspace);
    CHECK(actual.exit == expected.exit);
    CHECK(actual.out == expected.out);
    const bool json_form = file == "decode-json.jsonl";
    const std::string ours = without_our_additions(actual.err);
    CHECK((json_form ? without_positions(ours) : ours) == expected.err);
  }
}

}  // namespace

TEST_CASE("HCL is decoded as recorded") { check_recordings("decode-hcl.jsonl", 150); }
TEST_CASE("JSON is decoded as recorded") { check_recordings("decode-json.jsonl", 60); }
TEST_CASE("Variables are expanded as recorded") { check_recordings("expand-env.jsonl", 25); }
TEST_CASE("Settings are validated as recorded") { check_recordings("validation.jsonl", 190); }
