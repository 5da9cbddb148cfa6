// Update repositories that were given to sigstore/pkg/tuf of SPIRE Agent 1.15.3, with what it made of them: what it
// accepts is accepted, what it refuses is refused, and the same targets come out. Some have a second step: the mirror
// after a change, with the cache of the first. A cache that it has written; and Sigstore's public repository.
#include <simdjson.h>
#include <catch2/catch.hpp>

#include <filesystem>
#include <fstream>

#include "attestation/sigstore/trust_roots.h"
#include "attestation/sigstore/tuf/level_db.h"
#include "attestation/sigstore/tuf/tuf_repository.h"
#include "runtime/core/go_text.h"
#include "runtime/task/blocking.h"
#include "runtime/tls/encoding.h"
#include "tests/fakes/temporary_folder.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using std::chrono_literals::operator""s;

namespace {

std::string data_path(const std::string& name) { return std::string(STEEPLE_TEST_DATA) + "/sigstore/" + name; }

std::string string_of(simdjson::simdjson_result<simdjson::dom::element> value) {
  return std::string(value.get_string().value());
}

struct World {
  TemporaryFolder folder;
  Loop loop;
  WorkerPool workers{loop, 1, 8};
  HttpClient http{loop, workers};

  void publish(simdjson::dom::element files) {
    for (auto [name, content] : simdjson::dom::object(files)) {
      const std::filesystem::path path = folder.path("mirror/" + std::string(name));
      std::filesystem::create_directories(path.parent_path());
      std::ofstream(path, std::ios::binary) << std::string_view(content);
    }
  }
  TufSettings settings(std::string root) {
    TufSettings out;
    out.mirror = "file://" + folder.path("mirror");
    out.cache_folder = folder.path("cache");
    out.root = std::move(root);
    return out;
  }
  // A repository of the test data; what is kept as base64 there is decoded.
  std::string copy_of(const std::string& name) {
    namespace fs = std::filesystem;
    const std::string copy = folder.path("copy");
    fs::copy(data_path(name), copy, fs::copy_options::recursive);
    for (const auto& file : fs::directory_iterator(copy)) {
      if (file.path().extension() != ".b64") continue;
      std::ifstream in(file.path());
      const Bytes bytes = base64_decode(std::string(std::istreambuf_iterator<char>(in), {})).value();
      std::ofstream(fs::path(file.path()).replace_extension(), std::ios::binary) << as_text(bytes);
    }
    return copy;
  }
  // As the program that made the recording prints it.
  std::string outcome(const TufSettings& settings, WallTime now = std::chrono::system_clock::now()) {
    TufRepository repository(http, settings, Logger());
    const auto loaded = run_until_done(loop, repository.load(now, Deadline::in(60s), {}));
    if (!loaded) {
      UNSCOPED_INFO(loaded.error().message());
      return "refused\n";
    }
    return "accepted\n" +
           show(repository, "Fulcio", "fulcio",
                {"fulcio.crt.pem", "fulcio_v1.crt.pem", "fulcio_intermediate_v1.crt.pem"}) +
           show(repository, "Rekor", "rekor", {"rekor.pub"}) + show(repository, "CTFE", "ctfe", {"ctfe.pub"});
  }
  static std::string show(const TufRepository& repository, const std::string& title, const std::string& usage,
                          const std::vector<std::string>& fallbacks) {
    const auto files = repository.targets(usage, fallbacks);
    if (!files) return title + ": refused\n";
    std::vector<std::string> lines;
    for (const TufTargetFile& file : *files) {
      lines.push_back(title + ": " + file.name + " " + go_quote(file.bytes) + (file.active ? " true\n" : " false\n"));
    }
    std::sort(lines.begin(), lines.end());
    std::string out;
    for (const std::string& line : lines) out += line;
    return out;
  }
};

}  // namespace

TEST_CASE("update repositories are accepted and refused as SPIRE Agent does") {
  simdjson::dom::parser parser;
  int accepted = 0;
  int refused = 0;
  for (simdjson::dom::element scenario : simdjson::dom::array(parser.load(data_path("tuf_scenarios.json")))) {
    World world;
    const std::string_view name = scenario["name"];
    int step_number = 0;
    for (simdjson::dom::element step : simdjson::dom::array(scenario["steps"])) {
      INFO(name << ", step " << ++step_number);
      world.publish(step["files"]);
      TufSettings settings = world.settings(string_of(scenario["root"]));
      settings.always_update = true;
      const std::string wanted = string_of(step["outcome"]);
      CHECK(world.outcome(settings) == wanted);
      ++(wanted.starts_with("accepted") ? accepted : refused);
      if (!wanted.starts_with("accepted")) continue;
      // From the cache alone, without a mirror.
      settings.always_update = false;
      settings.mirror = "file:///nowhere";
      CHECK(world.outcome(settings) == wanted);
    }
  }
  CHECK(accepted > 30);
  CHECK(refused > 35);
}

TEST_CASE("a cache that SPIRE Agent has written is read: a compressed table, a journal and a manifest") {
  simdjson::dom::parser parser;
  TufStore wanted;
  for (simdjson::dom::element scenario : simdjson::dom::array(parser.load(data_path("tuf_scenarios.json")))) {
    if (std::string_view(scenario["name"]) != "newer") continue;
    wanted["root.json"] = std::string_view(scenario["root"]);
    const simdjson::dom::element files = scenario["steps"].at(1)["files"];
    for (const char* name : {"timestamp.json", "2.snapshot.json", "2.targets.json"}) {
      const std::string key = name[0] == '2' ? name + 2 : name;
      wanted[key] = std::string_view(files[name]);
    }
  }
  const TemporaryFolder folder;
  std::filesystem::copy(data_path("stock-cache"), folder.path("cache"), std::filesystem::copy_options::recursive);
  const auto store = TufCache(folder.path("cache")).read_metadata();
  REQUIRE(store);
  CHECK(*store == wanted);
  REQUIRE(store->size() == 4);
  // What is written over it is what is there then, and nothing of the old files is left.
  const LevelDbMap changed = {{"root.json", std::string(100'000, 'r')}, {"other", ""}};
  REQUIRE(TufCache(folder.path("cache")).write_metadata(changed));
  CHECK(TufCache(folder.path("cache")).read_metadata().value() == changed);
  std::size_t count = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder.path("cache/tuf.db"))) {
    CHECK(file.path().extension() != ".ldb");
    ++count;
  }
  CHECK(count == 4);  // CURRENT, LOCK, the journal, the manifest
}

// As sigstore/root-signing had it in August 2026.
TEST_CASE("Sigstore's public repository: from the embedded root over three rotations to its targets") {
  World world;
  TufSettings settings = world.settings(std::string(embedded_tuf_root()));
  settings.mirror = "file://" + world.copy_of("public-repository");
  TufRepository repository(world.http, settings, Logger());
  const WallTime now(std::chrono::seconds(1787616000));  // 2026-08-25
  REQUIRE(run_until_done(world.loop, repository.load(now, Deadline::in(60s), {})));
  const auto names = [&](const char* usage) {
    std::string out;
    const auto files = repository.targets(usage, {});
    if (!files) return files.error().message();
    for (const TufTargetFile& file : *files) out += file.name + (file.active ? " " : "(retired) ");
    return out;
  };
  CHECK(names("fulcio") == "fulcio.crt.pem(retired) fulcio_intermediate_v1.crt.pem fulcio_v1.crt.pem ");
  CHECK(names("rekor") == "rekor.pub ");
  CHECK(names("ctfe") == "ctfe.pub ctfe_2022.pub ");
  TrustMaterial material;
  const auto certificates = repository.targets("fulcio", {});
  REQUIRE(certificates);
  for (const TufTargetFile& file : *certificates) REQUIRE(add_fulcio_certificates(file.bytes, material));
  CHECK(material.fulcio_roots.size() == 2);
  CHECK(material.fulcio_intermediates.size() == 1);
  CHECK(parse_log_key(repository.targets("rekor", {})->at(0).bytes)->id ==
        "c0d23d6ad406973f9559f3ba2d1ca01f84147d8ffc5b8445c224f98b9591801d");
  // A week later the timestamp has expired, and so has what is in the cache.
  CHECK(world.outcome(settings, now + std::chrono::hours(24 * 7)) == "refused\n");
}
