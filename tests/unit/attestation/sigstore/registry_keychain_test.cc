#include "attestation/sigstore/registry_keychain.h"

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "tests/fakes/temporary_folder.h"

using namespace steeple;
using namespace steeple::attestation;

namespace {

const ImageReference kImage{"ghcr.io", "o/r", "t", ""};

std::string user_of(const std::string& json, const ImageReference& image = kImage) {
  auto found = parse_stored_login(json, image);
  if (!found) return found.error().message();
  if (found->by_helper) return "helper";
  return found->login.username + ":" + std::string(runtime::as_text(found->login.password.view()));
}

void write(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path) << text;
}

}  // namespace

TEST_CASE("registry keychain: the entry of the repository, else that of the registry") {
  // dTpw is "u:p".
  CHECK(user_of(R"({"auths":{"ghcr.io":{"auth":"dTpw"}}})") == "u:p");
  CHECK(user_of(R"({"auths":{"ghcr.io":{"auth":"dTpw"},"ghcr.io/o/r":{"username":"v","password":"q"}}})") == "v:q");
  CHECK(user_of(R"({"auths":{"https://ghcr.io/v1/":{"auth":"dTpw"}}})") == "u:p");
  CHECK(user_of(R"({"auths":{"quay.io":{"auth":"dTpw"}}})") == ":");
  CHECK(user_of(R"({})") == ":");
  CHECK(user_of(R"({"auths":{"https://index.docker.io/v1/":{"auth":"dTpw"}}})",
                {kDockerHub, "library/debian", "12", ""}) == "u:p");
  auto tokens = parse_stored_login(R"({"auths":{"ghcr.io":{"identitytoken":"i","registrytoken":"r"}}})", kImage);
  REQUIRE(tokens);
  CHECK(runtime::as_text(tokens->login.identity_token.view()) == "i");
  CHECK(runtime::as_text(tokens->login.registry_token.view()) == "r");
}

TEST_CASE("registry keychain: a program that keeps logins is told of, a damaged file is an error") {
  CHECK(user_of(R"({"credsStore":"desktop","auths":{"ghcr.io":{}}})") == "helper");
  CHECK(user_of(R"({"credHelpers":{"ghcr.io":"gcr"}})") == "helper");
  CHECK(user_of(R"({"credHelpers":{"gcr.io":"gcr"},"auths":{"ghcr.io":{"auth":"dTpw"}}})") == "u:p");
  CHECK(user_of("x") == "malformed login file: not a JSON object");
  CHECK(user_of(R"({"auths":{"ghcr.io":{"auth":"!"}}})") == "malformed login file: an auth is not base64");
  CHECK(user_of(R"({"auths":{"ghcr.io":{"auth":"dQ=="}}})") ==
        "malformed login file: an auth is not a name and a password");
}

TEST_CASE("registry keychain: Docker's file goes before Podman's") {
  const TemporaryFolder temporary;
  const std::string folder = temporary.path("x");
  std::map<std::string, std::string> variables = {{"HOME", folder + "/home"}};
  const auto user = [&] {
    const Environment environment = [&](const std::string& name) {
      const auto found = variables.find(name);
      return found == variables.end() ? std::nullopt : std::optional(found->second);
    };
    auto login = find_stored_login(environment, kImage, runtime::Logger());
    return login ? login->username : login.error().message();
  };
  const auto file = [](const std::string& name) {
    return R"({"auths":{"ghcr.io":{"username":")" + name + R"(","password":"p"}}})";
  };
  CHECK(user().empty());
  write(folder + "/home/.config/containers/auth.json", file("home podman"));
  CHECK(user() == "home podman");
  variables["XDG_RUNTIME_DIR"] = folder + "/run";
  CHECK(user() == "home podman");
  write(folder + "/run/containers/auth.json", file("run podman"));
  CHECK(user() == "run podman");
  write(folder + "/auth.json", file("named podman"));
  variables["REGISTRY_AUTH_FILE"] = folder + "/auth.json";
  CHECK(user() == "named podman");
  write(folder + "/home/.docker/config.json", file("docker"));
  CHECK(user() == "docker");
  variables["DOCKER_CONFIG"] = folder + "/docker";
  CHECK(user().empty());  // as SPIRE: a folder that is named and empty hides the file at home
  write(folder + "/docker/config.json", file("named docker"));
  CHECK(user() == "named docker");
  write(folder + "/docker/config.json", "x");
  CHECK(user() == folder + "/docker/config.json: malformed login file: not a JSON object");
}

TEST_CASE("registry keychain: basic credentials") {
  RegistryLogin login;
  CHECK(login.anonymous());
  CHECK(login.basic().empty());
  login.username = "u";
  CHECK(login.basic().empty());
  login.password = runtime::SecretBytes(runtime::as_bytes("p"));
  CHECK(login.basic() == "Basic dTpw");
  CHECK_FALSE(login.anonymous());
}
