#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/x509.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "agent/keys/disk_key_manager.h"
#include "agent/keys/key_slots.h"
#include "agent/keys/keys_file.h"
#include "agent/keys/memory_key_manager.h"
#include "runtime/tls/encoding.h"

using namespace steeple::agent;
using steeple::runtime::as_text;
using steeple::runtime::ErrorCode;
using steeple::runtime::KeyType;
using steeple::runtime::LogFormat;
using steeple::runtime::Logger;
using steeple::runtime::LogLevel;
using steeple::runtime::make_string_sink;
using steeple::runtime::PrivateKey;

namespace {

class Directory {
 public:
  Directory() {
    char name[] = "/tmp/steeple-keys-XXXXXX";
    path = mkdtemp(name);
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string file() const { return path + "/keys.json"; }
  std::string read() const {
    std::ifstream in(file());
    return std::string(std::istreambuf_iterator<char>(in), {});
  }
  void write(const std::string& text) const { std::ofstream(file()) << text; }
  std::string path;
};

std::string base64_of(const ManagedKey& key) { return steeple::runtime::base64_encode(key.key.to_pkcs8().view()); }

}  // namespace

TEST_CASE("keys.json is written byte for byte as the Go agent does") {
  Directory directory;
  auto manager = *DiskKeyManager::open(directory.path, Logger());
  ManagedKey b = *manager->generate("agent-svid-B", KeyType::kEcP256);
  ManagedKey a = *manager->generate("agent-svid-A", KeyType::kEcP256);
  CHECK(directory.read() == "{\n\t\"keys\": {\n\t\t\"agent-svid-A\": \"" + base64_of(a) +
                                "\",\n\t\t\"agent-svid-B\": \"" + base64_of(b) + "\"\n\t}\n}");
  struct stat status;
  REQUIRE(stat(directory.file().c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0600);
  CHECK_FALSE(std::filesystem::exists(directory.path + "/.probe"));
  CHECK_FALSE(std::filesystem::exists(directory.file() + ".tmp"));
  CHECK(as_text(format_keys_file({}).view()) == "{\n\t\"keys\": {}\n}");
}

TEST_CASE("Keys come back from disk, found by id and by public key") {
  Directory directory;
  auto manager = *DiskKeyManager::open(directory.path, Logger());
  CHECK(manager->keys().empty());
  ManagedKey key = *manager->generate("agent-svid-A", KeyType::kEcP256);
  auto again = *DiskKeyManager::open(directory.path, Logger());
  REQUIRE(again->keys().size() == 1);
  CHECK(again->find("agent-svid-A")->key.public_key() == key.key.public_key());
  CHECK_FALSE(again->find("agent-svid-B"));
  CHECK(find_by_public_key(again->keys(), key.key.public_key())->id == "agent-svid-A");
  CHECK_FALSE(find_by_public_key(again->keys(), PrivateKey::generate(KeyType::kEcP256)->public_key()));
  CHECK(again->survives_restart());
}

TEST_CASE("A missing directory is made, one that cannot be used is refused") {
  Directory directory;
  std::string below = directory.path + "/a/b";
  CHECK(DiskKeyManager::open(below, Logger()));
  struct stat status;
  REQUIRE(stat(below.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0700);
  CHECK(DiskKeyManager::open("", Logger()).error().message() == "directory must be configured");
  directory.write("x");
  auto file = DiskKeyManager::open(directory.file(), Logger());
  REQUIRE_FALSE(file);
  CHECK(file.error().code() == ErrorCode::kFailedPrecondition);
  CHECK(file.error().message().starts_with("directory validation failed: "));
}

TEST_CASE("A corrupt keys.json is reported, kept aside, and the manager goes on without keys") {
  for (const char* content : {"", "garbage", R"({"keys":{"agent-svid-A":"AAAA"}})", R"({"keys":{"a":1}})", "[1]"}) {
    INFO(content);
    Directory directory;
    directory.write(content);
    std::string log;
    auto manager =
        DiskKeyManager::open(directory.path, Logger(make_string_sink(&log), LogLevel::kInfo, LogFormat::kText));
    REQUIRE(manager);
    CHECK((*manager)->keys().empty());
    CHECK(log.find("level=error") != std::string::npos);
    CHECK(log.find("kept aside") != std::string::npos);
    CHECK_FALSE(std::filesystem::exists(directory.file()));
    std::size_t kept = 0;
    for (const auto& entry : std::filesystem::directory_iterator(directory.path)) {
      std::ifstream in(entry.path());
      kept += std::string(std::istreambuf_iterator<char>(in), {}) == content ? 1 : 0;
    }
    CHECK(kept == 1);
    CHECK((*manager)->generate("agent-svid-A", KeyType::kEcP256));
  }
}

TEST_CASE("A key that cannot be written changes nothing") {
  Directory directory;
  auto manager = *DiskKeyManager::open(directory.path, Logger());
  ManagedKey before = *manager->generate("agent-svid-A", KeyType::kEcP256);
  std::filesystem::create_directory(directory.file() + ".tmp");  // in the way of the replacement
  auto failed = manager->generate("agent-svid-A", KeyType::kEcP256);
  REQUIRE_FALSE(failed);
  CHECK(failed.error().message().starts_with("unable to write entries: "));
  CHECK(manager->find("agent-svid-A")->key.public_key() == before.key.public_key());
}

TEST_CASE("The keys file is read as Go reads it") {
  PrivateKey key = *PrivateKey::generate(KeyType::kEcP384);
  PrivateKey other = *PrivateKey::generate(KeyType::kEcP256);
  std::string base64 = steeple::runtime::base64_encode(key.to_pkcs8().view());
  std::string other64 = steeple::runtime::base64_encode(other.to_pkcs8().view());
  for (const char* empty : {"{}", R"({"keys":null})", R"({"keys":{}})", R"({"other":1})", "null"}) {
    CHECK(parse_keys_file(empty)->empty());
  }
  auto keys = parse_keys_file(R"({"future":[1],"KEYS":{"a":")" + other64 + R"(","a":")" + base64 + R"("}})");
  REQUIRE(keys);
  CHECK(keys->find("a")->second.public_key() == key.public_key());
  CHECK(parse_keys_file("").error().message() == "unable to decode keys JSON: unexpected end of JSON input");
  CHECK(parse_keys_file("garbage").error().message() ==
        "unable to decode keys JSON: invalid character 'g' looking for beginning of value");
  CHECK(parse_keys_file(R"({"keys":{"agent-svid-A":"AAAA"}})")
            .error()
            .message()
            .starts_with(R"(unable to parse key "agent-svid-A": )"));
  std::string cut = R"({"keys":{"a":")" + base64 + R"("}})";
  for (std::size_t at = 1; at < cut.size(); at += 3) CHECK_FALSE(parse_keys_file(cut.substr(0, at)));
  // A type of key that can be loaded, but that this file never holds.
  EVP_PKEY* p521 = EVP_EC_gen("P-521");
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(p521);
  unsigned char* der = nullptr;
  int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  steeple::runtime::BytesView view(der, static_cast<std::size_t>(size));
  REQUIRE(PrivateKey::from_pkcs8(view));
  auto refused = parse_keys_file(R"({"keys":{"a":")" + steeple::runtime::base64_encode(view) + R"("}})");
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message() == R"(unable to parse key "a": unsupported type ec-p521)");
  OPENSSL_free(der);
  PKCS8_PRIV_KEY_INFO_free(info);
  EVP_PKEY_free(p521);
  CHECK(parse_keys_file(std::string(kKeysFileSizeMax + 1, ' ')).error().code() == ErrorCode::kLimit);
}

TEST_CASE("A new key never overwrites the one in use") {
  MemoryKeyManager manager;
  CHECK_FALSE(manager.survives_restart());
  CHECK(next_agent_key_slot(std::nullopt) == "agent-svid-A");
  ManagedKey first = *generate_agent_key(manager, std::nullopt);
  CHECK(first.id == "agent-svid-A");
  ManagedKey second = *generate_agent_key(manager, first);
  CHECK(second.id == "agent-svid-B");
  ManagedKey third = *generate_agent_key(manager, second);
  CHECK(third.id == "agent-svid-A");
  CHECK(manager.keys().size() == 2);
  CHECK(manager.find("agent-svid-B")->key.public_key() == second.key.public_key());
  CHECK(third.key.type() == KeyType::kEcP256);
}
