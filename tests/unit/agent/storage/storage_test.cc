#include "agent/storage/storage.h"

#include <sys/stat.h>
#include <utime.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "runtime/tls/encoding.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::agent;
using namespace steeple::testing;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""ns;
using steeple::runtime::as_bytes;
using steeple::runtime::Certificate;
using steeple::runtime::Certificates;
using steeple::runtime::LogFormat;
using steeple::runtime::Logger;
using steeple::runtime::LogLevel;
using steeple::runtime::make_string_sink;

namespace {

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/steeple-storage-XXXXXX";
    path = mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/agent-data.json"; }
  std::string read() const {
    std::ifstream in(file());
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  void write(const std::string& name, const std::string& text, time_t when = 0) const {
    std::ofstream(path + "/" + name) << text;
    utimbuf times{when, when};
    if (when != 0) utime((path + "/" + name).c_str(), &times);
  }
  std::string path;
};

std::string stored(const Certificate& certificate) {
  return steeple::runtime::base64_encode(as_bytes(steeple::runtime::to_pem(certificate)));
}

}  // namespace

TEST_CASE("agent-data.json is written byte for byte as the Go agent does") {
  Authority authority = new_authority();
  Leaf leaf = new_leaf(authority, "spiffe://example.org/spire/agent/x");
  CHECK(format_agent_data(AgentData()) == R"({"svid":null,"bundle":null,"reattestable":false,"bootstrap_use":0,)"
                                          R"("bootstrap_start_time":"0001-01-01T00:00:00Z","connection_attempts":0})");
  AgentData data;
  data.svid = {leaf.certificate, authority.certificate};
  data.bundle = {authority.certificate};
  data.reattestable = true;
  data.bootstrap.use = BootstrapUse::kRebootstrap;
  data.bootstrap.start_time = test_now() + 120ms;
  data.bootstrap.connection_attempts = 3;
  std::string json = format_agent_data(data);
  CHECK(json == R"({"svid":[")" + stored(leaf.certificate) + R"(",")" + stored(authority.certificate) +
                    R"("],"bundle":[")" + stored(authority.certificate) +
                    R"("],"reattestable":true,"bootstrap_use":2,"bootstrap_start_time":"2026-01-02T03:04:05.12Z",)"
                    R"("connection_attempts":3})");
  CHECK(*parse_agent_data(json) == data);
}

TEST_CASE("agent-data.json of any version is read") {
  Authority authority = new_authority();
  std::string certificate = stored(authority.certificate);
  CHECK(*parse_agent_data("{}") == AgentData());
  CHECK(*parse_agent_data(R"({"svid":[],"bundle":null,"future":{"svid":1}})") == AgentData());
  auto old = parse_agent_data(R"({"svid":[")" + certificate + R"("],"bundle":[")" + certificate +
                              R"("],"reattestable":true})");
  REQUIRE(old);
  CHECK(old->svid == Certificates{authority.certificate});
  CHECK(old->reattestable);
  CHECK(old->bootstrap == BootstrapState());
  auto zoned = parse_agent_data(R"({"bootstrap_use":1,"bootstrap_start_time":"2026-01-02T05:04:05.000000001+02:00"})");
  REQUIRE(zoned);
  CHECK(zoned->bootstrap.start_time == test_now() + 1ns);
  CHECK(zoned->bootstrap.use == BootstrapUse::kBootstrap);
  CHECK(parse_agent_data(R"({"reattestable":true,"Reattestable":false})")->reattestable == false);
  CHECK(parse_agent_data(R"({"bootstrap_use":9})")->bootstrap.use == BootstrapUse::kUnspecified);
}

TEST_CASE("A corrupt agent-data.json is refused with a reason") {
  auto error = [](const std::string& json) {
    auto data = parse_agent_data(json);
    return data ? std::string() : data.error().message();
  };
  CHECK(error("") == "failed to unmarshal data: unexpected end of JSON input");
  CHECK(error("garbage") == "failed to unmarshal data: invalid character 'g' looking for beginning of value");
  CHECK(error(R"({"svid":[""]})") == "failed to unmarshal data: failed to parse SVID: no PEM blocks");
  CHECK(error(R"({"bundle":["!"]})") ==
        "failed to unmarshal data: failed to parse bundle: illegal base64 data at input byte 0");
  for (const char* bad :
       {"[]", "1", R"({"svid":{}})", R"({"svid":[1]})", R"({"reattestable":"yes"})", R"({"bootstrap_start_time":""})",
        R"({"bootstrap_start_time":"yesterday"})", R"({"connection_attempts":1.5})", R"({"bootstrap_use":"1"})"}) {
    INFO(bad);
    CHECK_FALSE(error(bad).empty());
  }
  std::string pair = steeple::runtime::to_pem(new_authority().certificate);
  pair += pair;
  CHECK(error(R"({"svid":[")" + steeple::runtime::base64_encode(as_bytes(pair)) + R"("]})") ==
        "failed to unmarshal data: failed to parse SVID: expected 1 PEM blocks; got 2");
  AgentData data;
  data.bundle = {new_authority().certificate};
  std::string whole = format_agent_data(data);
  for (std::size_t size = 0; size < whole.size(); size += 11) CHECK_FALSE(error(whole.substr(0, size)).empty());
}

TEST_CASE("Storage keeps what it is told, at once, over a restart") {
  Directory directory;
  std::string data_dir = directory.path + "/data/agent";
  Authority authority = new_authority();
  Leaf leaf = new_leaf(authority, "spiffe://example.org/spire/agent/x");
  {
    auto storage = *Storage::open(data_dir, Logger());
    CHECK(storage->data() == AgentData());
    CHECK_FALSE(std::filesystem::exists(data_dir + "/agent-data.json"));
    CHECK(storage->store_svid({leaf.certificate}, true));
    CHECK(storage->store_bundle({authority.certificate}));
    BootstrapState state;
    state.use = BootstrapUse::kBootstrap;
    state.start_time = test_now();
    state.connection_attempts = 2;
    CHECK(storage->store_bootstrap_state(state));
  }
  struct stat status;
  REQUIRE(stat((data_dir + "/agent-data.json").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  auto storage = *Storage::open(data_dir, Logger());
  CHECK(storage->data().svid == Certificates{leaf.certificate});
  CHECK(storage->data().bundle == Certificates{authority.certificate});
  CHECK(storage->data().reattestable);
  CHECK(storage->data().bootstrap.connection_attempts == 2);
  CHECK(storage->delete_svid());
  CHECK(storage->data().svid.empty());
  CHECK_FALSE(storage->data().reattestable);
  CHECK(storage->data().bundle.size() == 1);
}

TEST_CASE("A write that fails leaves file and memory as they were") {
  Directory directory;
  Authority authority = new_authority();
  auto storage = *Storage::open(directory.path, Logger());
  CHECK(storage->store_bundle({authority.certificate}));
  std::string before = directory.read();
  std::filesystem::create_directory(directory.file() + ".tmp");
  auto failed = storage->store_bundle({});
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message().starts_with("failed to write data file: "));
  CHECK(storage->data().bundle.size() == 1);
  CHECK(directory.read() == before);
}

TEST_CASE("A corrupt file is reported and kept aside, and the agent starts without it") {
  Directory directory;
  directory.write("agent-data.json", "garbage");
  std::string log;
  auto storage = Storage::open(directory.path, Logger(make_string_sink(&log), LogLevel::kInfo, LogFormat::kText));
  REQUIRE(storage);
  CHECK((*storage)->data() == AgentData());
  CHECK(log.find("level=error") != std::string::npos);
  CHECK(log.find("failed to unmarshal data") != std::string::npos);
  CHECK_FALSE(std::filesystem::exists(directory.file()));
  CHECK(std::distance(std::filesystem::directory_iterator(directory.path), {}) == 1);
  CHECK((*storage)->store_bundle({new_authority().certificate}));
}

TEST_CASE("What is no file, or no directory, is an error") {
  Directory directory;
  std::filesystem::create_directory(directory.file());
  auto storage = Storage::open(directory.path, Logger());
  REQUIRE_FALSE(storage);
  CHECK(storage.error().message() ==
        "failed to open storage: failed to read data: read " + directory.file() + ": is a directory");
  directory.write("file", "x");
  auto under_file = Storage::open(directory.path + "/file", Logger());
  REQUIRE_FALSE(under_file);
  CHECK(under_file.error().message() == "mkdir " + directory.path + "/file: not a directory");
}

TEST_CASE("Files of older agents are taken over when they are newer, and never written") {
  Directory directory;
  Authority authority = new_authority();
  Leaf leaf = new_leaf(authority, "spiffe://example.org/spire/agent/x");
  auto text = [](const Certificate& certificate) { return std::string(steeple::runtime::as_text(certificate.der())); };
  AgentData data;
  data.reattestable = true;
  directory.write("agent-data.json", format_agent_data(data), 1000000);
  directory.write("agent_svid.der", text(leaf.certificate) + text(authority.certificate), 1000001);
  directory.write("bundle.der", text(authority.certificate), 999999);
  auto storage = *Storage::open(directory.path, Logger());
  CHECK(storage->data().svid == Certificates{leaf.certificate, authority.certificate});
  CHECK(storage->data().bundle.empty());
  CHECK(storage->data().reattestable);
  directory.write("bundle.der", "broken", 1000002);
  std::string log;
  auto again = *Storage::open(directory.path, Logger(make_string_sink(&log), LogLevel::kInfo, LogFormat::kText));
  CHECK(again->data().bundle.empty());
  CHECK(log.find("level=warning") != std::string::npos);
  CHECK(again->store_bundle({authority.certificate}));
  auto rewritten = *Storage::open(directory.path, Logger());  // agent-data.json is the newest now
  CHECK(rewritten->data().bundle == Certificates{authority.certificate});
}
