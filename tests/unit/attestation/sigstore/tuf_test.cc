// The update repository over HTTP, its cache, and trust roots that come from there. What is accepted and what is
// refused of metadata is compared with recordings in tests/contract.
#include "attestation/sigstore/tuf/tuf_repository.h"

#include <sys/file.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "attestation/sigstore/trust_roots.h"
#include "attestation/sigstore/tuf/canonical_json.h"
#include "runtime/task/blocking.h"
#include "tests/fakes/plain_server.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/tuf_mirror.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using namespace steeple::testing;
using std::chrono_literals::operator""h;
using std::chrono_literals::operator""s;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

struct World {
  World() {
    mirror.add_target("rekor.pub", "the key", "Rekor/Active");
    mirror.add_target("old.pub", "the old key", "Rekor/Expired");
    mirror.add_target("ctfe.pub", "by its name");
    mirror.publish();
    server.answer = [this](const std::string& request) {
      const std::size_t end = request.find(' ', 5);
      const auto at = mirror.files.find(request.substr(5, end - 5));
      if (at == mirror.files.end()) return PlainServer::answer_of(missing, "");
      return PlainServer::answer_of("200 OK", at->second);
    };
  }
  TufSettings settings() {
    TufSettings out;
    out.mirror = server.url() + "/";
    out.cache_folder = folder.path("cache");
    out.root = mirror.root();
    return out;
  }
  Result<void> load(const TufSettings& wanted) {
    repository.emplace(http, wanted, log);
    return run_until_done(loop, repository->load(now, Deadline::in(20s), {}));
  }
  Result<void> load() { return load(settings()); }
  std::string refusal() {
    const auto loaded = load();
    REQUIRE_FALSE(loaded);
    return loaded.error().message();
  }

  WallTime now = std::chrono::system_clock::now();
  TufMirror mirror{now};
  TemporaryFolder folder;
  Loop loop;
  PlainServer server{loop};
  WorkerPool workers{loop, 1, 8};
  HttpClient http{loop, workers};
  std::string logged;
  Logger log{make_string_sink(&logged), LogLevel::kInfo, LogFormat::kText};
  std::string missing = "404 Not Found";
  std::optional<TufRepository> repository;
};

std::string canonical(std::string_view json) {
  simdjson::dom::parser parser;
  const auto out = canonical_json(parser.parse(simdjson::padded_string(json)));
  return out ? *out : out.error().message();
}

}  // namespace

TEST_CASE("canonical JSON: members by their bytes, whole numbers, as little escaped as can be") {
  CHECK(canonical(R"( {"b" : [1, -2, true, false, null], "a" : {"z":"q\"b\\s\n/","B":{}} , "\u00e9":[]} )") ==
        "{\"a\":{\"B\":{},\"z\":\"q\\\"b\\\\s\n/\"},\"b\":[1,-2,true,false,null],\"\xc3\xa9\":[]}");
  CHECK(canonical("[1.0,1e3]") == "[1,1000]");
  CHECK(canonical("[1.5]") == "canonical JSON: not a whole number");
  CHECK(canonical("[9007199254740993]") == "[9007199254740992]");  // as Go reads it
  CHECK(canonical("[18446744073709551615]") == "canonical JSON: not a whole number");
  CHECK(canonical(R"({"a":1,"a":1})") == "canonical JSON: a member is there twice");
}

TEST_CASE("keys of an update repository: RFC 8032's first vector; what is no key") {
  const auto key = parse_tuf_key("ed25519", "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
  REQUIRE(key);
  const Bytes signature = *hex_decode(
      "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5"
      "f0595bbe24655141438e7a100b");
  CHECK(has_signed(*key, "", signature));
  CHECK_FALSE(has_signed(*key, "x", signature));
  CHECK_FALSE(has_signed(*key, "", {}));
  CHECK(parse_tuf_key("ed25519", "00").error().code() == ErrorCode::kMalformed);
  CHECK(parse_tuf_key("ecdsa", "00").error().code() == ErrorCode::kMalformed);
  CHECK(parse_tuf_key("rsa", to_pem("PUBLIC KEY", new_key().public_key())).error().code() == ErrorCode::kMalformed);
  CHECK(parse_tuf_key("sphincs", "").error().code() == ErrorCode::kInvalidArgument);
}

TEST_CASE("the embedded root is Sigstore's, and signed by a threshold of its own keys") {
  const auto root = parse_tuf_metadata(embedded_tuf_root());
  REQUIRE(root);
  CHECK(root->version == 12);
  CHECK(root->roles.at("root").threshold == 3);
  CHECK(verify_tuf_signatures(*root, *root, TufRole::kRoot));
  CHECK_FALSE(verify_tuf_signatures(*root, *root, TufRole::kTimestamp));
  CHECK(TufClient::open({}, embedded_tuf_root())->next_root_name() == "13.root.json");
}

TEST_CASE("update repository: fetched once, then from the cache until the timestamp expires") {
  World world;
  REQUIRE(world.load());
  const auto rekor = world.repository->targets("rekor", {});
  REQUIRE(rekor);
  REQUIRE(rekor->size() == 2);
  CHECK((*rekor)[0].name == "old.pub");
  CHECK_FALSE((*rekor)[0].active);
  CHECK((*rekor)[1].bytes == "the key");
  CHECK((*rekor)[1].active);
  CHECK(world.repository->targets("ctfe", {"none.pub", "ctfe.pub"})->at(0).bytes == "by its name");
  CHECK(world.repository->targets("fulcio", {"a", "b"}).error().message() ==
        "no matching targets by custom metadata, fallbacks not found: a, b");
  const std::size_t requests = world.server.requests.size();
  CHECK(requests == 7);  // no next root; timestamp, snapshot, targets; three targets
  world.mirror.files.clear();
  REQUIRE(world.load());
  CHECK(world.repository->targets("rekor", {})->size() == 2);
  CHECK(world.server.requests.size() == requests);
  world.now += 48h;
  CHECK(contains(world.refusal(),
                 "updating local metadata and targets: error updating to TUF remote mirror: tuf: failed "
                 "to decode root.json: expired at "));
}

TEST_CASE("update repository: without a cache, everything is asked for each time and nothing is written") {
  World world;
  TufSettings settings = world.settings();
  settings.cache_folder.reset();
  REQUIRE(world.load(settings));
  REQUIRE(world.load(settings));
  CHECK(world.repository->targets("rekor", {})->size() == 2);
  CHECK(world.server.requests.size() == 14);
  CHECK_FALSE(std::filesystem::exists(world.folder.path("cache")));
}

TEST_CASE("update repository: a mirror that is away, or answers with something else") {
  World world;
  world.missing = "503 Away";
  CHECK(contains(world.refusal(), "tuf: failed to download 2.root.json: GET \"" + world.server.url() +
                                      "/2.root.json\": unexpected HTTP status 503"));
  world.missing = "404 Not Found";
  world.mirror.files["timestamp.json"] = std::string(kTufTimestampBytesMax + 1, ' ');
  CHECK(contains(world.refusal(), "tuf: failed to download timestamp.json: "));
  world.mirror.publish();
  world.mirror.files["targets/" + TufMirror::digest("the key") + ".rekor.pub"] = "the key and more";
  CHECK(contains(world.refusal(), "downloading target: tuf: failed to download targets/"));
  CHECK_FALSE(std::filesystem::exists(world.folder.path("cache/targets/rekor.pub")));
  TufSettings away = world.settings();
  away.mirror = "http://127.0.0.1:1";
  away.cache_folder.reset();
  CHECK(world.load(away).error().code() == ErrorCode::kUnavailable);
}

TEST_CASE("update repository: a target is no way out of its folder, and has a size") {
  for (const char* name : {"../x", "a/../../x", "/x", "x?y", "x%2fy", "a//b", ""}) {
    World world;
    world.mirror.add_target(name, "y");
    world.mirror.publish();
    CHECK(contains(world.refusal(), "downloading target: tuf: a target with the name "));
  }
  World world;
  world.mirror.targets["huge"] = R"({"hashes":{"sha256":"00"},"length":99999999})";
  world.mirror.publish();
  CHECK(contains(world.refusal(), "tuf: huge is too large: 99999999 bytes"));
}

TEST_CASE("update repository: a damaged cache is not used and written anew; a locked one is refused") {
  World world;
  REQUIRE(world.load());
  std::ofstream(world.folder.path("cache/tuf.db/CURRENT")) << "MANIFEST-000099\n";
  REQUIRE(world.load());
  CHECK(contains(world.logged, "Sigstore's cache cannot be read and is not used"));
  world.logged.clear();
  world.mirror.files.clear();
  REQUIRE(world.load());
  CHECK(world.logged.empty());
  std::ofstream(world.folder.path("cache/targets/rekor.pub")) << "another";
  REQUIRE(world.load());
  CHECK(
      contains(world.repository->targets("rekor", {}).error().message(),
               "error getting target rekor.pub by usage: cache contains invalid target; local cache may be corrupt: "));
  const int lock = ::open(world.folder.path("cache/tuf.db/LOCK").c_str(), O_RDWR);
  REQUIRE(::flock(lock, LOCK_EX) == 0);
  CHECK(contains(world.refusal(), "creating cached local store: "));
  ::close(lock);
}

TEST_CASE("update repository: where it is, by the environment") {
  const TemporaryFolder folder;
  std::map<std::string, std::string> variables;
  const auto environment = [&](const std::string& name) -> std::optional<std::string> {
    const auto at = variables.find(name);
    return at == variables.end() ? std::nullopt : std::optional(at->second);
  };
  CHECK(tuf_settings(environment).cache_folder == ".sigstore/root");
  variables["HOME"] = "/home/x";
  CHECK(tuf_settings(environment).cache_folder == "/home/x/.sigstore/root");
  CHECK(tuf_settings(environment).mirror == "https://tuf-repo-cdn.sigstore.dev");
  variables["TUF_ROOT"] = folder.path("");
  std::ofstream(folder.path("remote.json")) << R"({"mirror":"https://mirror.example"})";
  CHECK(tuf_settings(environment).mirror == "https://mirror.example");
  CHECK(tuf_settings(environment).cache_folder == folder.path(""));
  variables["SIGSTORE_NO_CACHE"] = "yes";  // no boolean of Go's
  CHECK(tuf_settings(environment).cache_folder);
  variables["SIGSTORE_NO_CACHE"] = "true";
  CHECK_FALSE(tuf_settings(environment).cache_folder);
}

TEST_CASE("trust roots: what no variable names comes from the update repository, retired keys too") {
  World world;
  const Authority root = new_authority(world.now);
  const PrivateKey rekor = new_key();
  const PrivateKey retired = new_key();
  const PrivateKey ctlog = new_key();
  world.mirror.targets.clear();
  world.mirror.add_target("fulcio_v1.crt.pem", to_pem(root.certificate), "Fulcio/Active");
  world.mirror.add_target("rekor.pub", to_pem("PUBLIC KEY", rekor.public_key()), "Rekor/Active");
  world.mirror.add_target("rekor_old.pub", to_pem("PUBLIC KEY", retired.public_key()), "Rekor/Expired");
  world.mirror.add_target("ctfe.pub", to_pem("PUBLIC KEY", ctlog.public_key()), "CTFE/Active");
  world.mirror.publish();
  REQUIRE(world.load());
  const auto environment = [&](const std::string& name) -> std::optional<std::string> {
    if (name == "TUF_ROOT") return world.folder.path("cache");
    return std::nullopt;
  };
  const SigstoreConfig config;
  const auto load = [&] {
    return run_until_done(world.loop,
                          load_trust_material(config, environment, world.http, Deadline::in(20s), {}, Logger()));
  };
  const auto material = load();
  REQUIRE(material);
  CHECK(material->fulcio_roots == std::vector<Bytes>{to_bytes(root.certificate.der())});
  REQUIRE(material->rekor_keys.size() == 2);
  CHECK(material->rekor_keys[0].spki == rekor.public_key());
  CHECK(material->rekor_keys[0].active);
  CHECK(material->rekor_keys[1].spki == retired.public_key());
  CHECK_FALSE(material->rekor_keys[1].active);
  CHECK(material->ct_log_keys.at(0).spki == ctlog.public_key());
  std::filesystem::remove(world.folder.path("cache/targets/fulcio_v1.crt.pem"));
  CHECK(contains(load().error().message(),
                 "failed to get fulcio root certificates: error getting targets: error getting "
                 "target fulcio_v1.crt.pem by usage: "));
}
