#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <map>

#include "attestation/kube/access.h"
#include "attestation/kube/kubeconfig.h"
#include "runtime/os/file.h"
#include "runtime/tls/encoding.h"
#include "tests/fakes/temporary_folder.h"

using namespace steeple;
using namespace steeple::attestation;
using runtime::ErrorCode;

namespace {

std::string kubeconfig(const std::string& cluster, const std::string& user) {
  return "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
         "contexts:\n- {name: other, context: {cluster: none, user: none}}\n"
         "- {name: here, context: {cluster: c, user: u, namespace: n}}\n"
         "clusters:\n- name: c\n  cluster: {" +
         cluster + "}\nusers:\n- name: u\n  user: {" + user + "}\n";
}

std::string refusal(const std::string& text, ErrorCode code) {
  auto parsed = parse_kubeconfig(text, "/d");
  INFO(text);
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code() == code);
  return parsed.error().message();
}

const std::string kServer = "server: 'https://h:6443/'";
std::string encoded(std::string_view text) { return runtime::base64_encode(runtime::as_bytes(text)); }

Environment no_environment() {
  return [](const std::string&) { return std::optional<std::string>(); };
}

}  // namespace

TEST_CASE("kubeconfig: the current context's cluster and user, files beside it") {
  auto files = parse_kubeconfig(kubeconfig(kServer + ", certificate-authority: ca.crt",
                                           "client-certificate: /abs/c.crt, client-key: sub/c.key, tokenFile: t"),
                                "/d");
  REQUIRE(files);
  CHECK(files->server == "https://h:6443");
  CHECK(files->authority_file == "/d/ca.crt");
  CHECK(files->certificate_file == "/abs/c.crt");
  CHECK(files->key_file == "/d/sub/c.key");
  CHECK(files->token_file == "/d/t");
  CHECK_FALSE(files->skip_verification);

  auto data = parse_kubeconfig(kubeconfig(kServer + ", certificate-authority-data: " + encoded("roots"),
                                          "token: secret, client-certificate-data: " + encoded("chain") +
                                              ", client-key-data: " + encoded("key")),
                               "/d");
  REQUIRE(data);
  CHECK(data->authority_pem == "roots");
  CHECK(data->certificate_pem == "chain");
  CHECK(runtime::as_text(data->key_pem.view()) == "key");
  CHECK(runtime::as_text(data->token.view()) == "secret");

  CHECK(parse_kubeconfig(kubeconfig(kServer + ", insecure-skip-tls-verify: true", ""), "/d")->skip_verification);
  auto json = parse_kubeconfig(R"({"current-context":"x","contexts":[{"name":"x","context":{"cluster":"c"}}],
      "clusters":[{"name":"c","cluster":{"server":"https://[::1]:1"}}]})",
                               "/d");
  REQUIRE(json);
  CHECK(json->server == "https://[::1]:1");
}

TEST_CASE("kubeconfig: what cannot be used is refused by name") {
  for (const std::string key : {"exec: {command: aws}", "auth-provider: {name: oidc}", "username: x", "as: root"}) {
    const std::string name = key.substr(0, key.find(':'));
    CHECK(refusal(kubeconfig(kServer, key), ErrorCode::kUnimplemented) ==
          name + " of a kubeconfig's user is not available in this version of Steeple");
  }
  for (const std::string key : {"proxy-url", "tls-server-name"}) {
    CHECK(refusal(kubeconfig(kServer + ", " + key + ": x", ""), ErrorCode::kUnimplemented) ==
          key + " of a kubeconfig's cluster is not available in this version of Steeple");
  }
  CHECK(refusal(kubeconfig("server: 'http://h'", ""), ErrorCode::kInvalidArgument) ==
        "server \"http://h\" of the kubeconfig is no https:// address");
  CHECK(refusal(kubeconfig(kServer, "client-key: k"), ErrorCode::kInvalidArgument) ==
        "the kubeconfig's user has client-key, but no client-certificate");
  CHECK(refusal(kubeconfig(kServer + ", insecure-skip-tls-verify: true, certificate-authority: c", ""),
                ErrorCode::kInvalidArgument) ==
        "specifying a root certificates file with the insecure flag is not allowed");
}

TEST_CASE("kubeconfig: damaged ones are errors") {
  for (const std::string text : {"", "a", "[]", "{", "a: b: c", "\t"}) refusal(text, ErrorCode::kMalformed);
  CHECK(refusal("a: 1", ErrorCode::kInvalidArgument) == "the kubeconfig has no current-context");
  CHECK(refusal("current-context: x", ErrorCode::kInvalidArgument) == "context \"x\" does not exist in the kubeconfig");
  CHECK(refusal(kubeconfig(kServer, "token: [a]"), ErrorCode::kMalformed) == "token is not a string");
  CHECK(refusal(kubeconfig(kServer + ", certificate-authority-data: '?'", ""), ErrorCode::kMalformed) ==
        "certificate-authority-data is not base64");
  refusal(std::string(100'000, '['), ErrorCode::kMalformed);  // no stack is deep enough
  refusal(std::string(kKubeconfigBytesMax + 1, ' '), ErrorCode::kLimit);
}

TEST_CASE("Access: files are read anew, and the same TLS settings stay the same object") {
  TemporaryFolder folder;
  auto write = [&](const std::string& name, const std::string& text) {
    std::ofstream(folder.path(name), std::ios::binary) << text;
  };
  write("config", kubeconfig(kServer, "tokenFile: token"));
  KubeAccessSource source(folder.path("config"), no_environment());
  CHECK(source.load().error().code() == ErrorCode::kNotFound);
  write("token", " one\n");
  auto first = source.load();
  REQUIRE(first);
  CHECK(runtime::as_text(first->token.view()) == "one");
  write("token", "two");
  auto second = source.load();
  REQUIRE(second);
  CHECK(runtime::as_text(second->token.view()) == "two");
  CHECK(second->tls == first->tls);
  write("config", kubeconfig(kServer + ", insecure-skip-tls-verify: true", "tokenFile: token"));
  auto third = source.load();
  REQUIRE(third);
  CHECK(third->tls != first->tls);
  CHECK(third->tls->verify == runtime::HttpVerify::kNone);
  for (const std::string bad : {"", "\n", "a b", "a\r\nX-Header: b"}) {
    write("token", bad);
    CHECK(source.load().error().code() == ErrorCode::kFailedPrecondition);
  }
}

TEST_CASE("Access: the pod this runs in") {
  TemporaryFolder folder;
  std::map<std::string, std::string> variables;
  auto environment = [&variables](const std::string& name) {
    auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  KubeAccessSource source("", environment, folder.path(""));
  CHECK(source.load().error().message() ==
        "unable to create client config: unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and "
        "KUBERNETES_SERVICE_PORT must be defined");
  variables = {{"KUBERNETES_SERVICE_HOST", "fd00::1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  CHECK(source.load().error().code() == ErrorCode::kNotFound);
  std::ofstream(folder.path("token")) << "pod-token";
  CHECK(source.load().error().message().find("ca.crt") != std::string::npos);
  std::ofstream(folder.path("ca.crt"))
      << runtime::read_file(std::string(STEEPLE_TEST_DATA) + "/x509pop/root.pem", 1 << 16).value();
  auto access = source.load();
  INFO((access ? std::string() : access.error().message()));
  REQUIRE(access);
  CHECK(access->server == "https://[fd00::1]:443");
  CHECK(runtime::as_text(access->token.view()) == "pod-token");
  CHECK(access->tls->ca_pem.find("BEGIN CERTIFICATE") != std::string::npos);
}

TEST_CASE("Access: KUBECONFIG, then the pod, then the user's file") {
  TemporaryFolder folder;
  std::map<std::string, std::string> variables;
  auto environment = [&variables](const std::string& name) {
    auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  };
  const auto find = [&] { return find_kube_access(environment, folder.path("")); };
  const auto server = [&] {
    auto found = find();
    REQUIRE(found);
    auto loaded = found->load();
    return loaded ? loaded->server : loaded.error().message();
  };
  const std::string nowhere =
      "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment variable";
  CHECK(find().error().message() == nowhere);
  variables["HOME"] = folder.path("home");
  CHECK(find().error().message() == nowhere);
  std::filesystem::create_directories(folder.path("home/.kube"));
  std::ofstream(folder.path("home/.kube/config")) << kubeconfig("server: 'https://of-home'", "token: t");
  CHECK(server() == "https://of-home");

  variables["KUBERNETES_SERVICE_HOST"] = "10.0.0.1";
  variables["KUBERNETES_SERVICE_PORT"] = "443";
  CHECK(server() == "https://of-home");  // no token: not in a pod
  std::ofstream(folder.path("token")) << "pod-token";
  std::ofstream(folder.path("ca.crt"))
      << runtime::read_file(std::string(STEEPLE_TEST_DATA) + "/x509pop/root.pem", 1 << 16).value();
  CHECK(server() == "https://10.0.0.1:443");

  variables["KUBECONFIG"] = folder.path("named");
  CHECK(server().find("named") != std::string::npos);  // it is not there, and nothing else is tried
  std::ofstream(folder.path("named")) << kubeconfig("server: 'https://named'", "token: t");
  CHECK(server() == "https://named");
  variables["KUBECONFIG"] += ":/other";
  CHECK(find().error().code() == ErrorCode::kUnimplemented);
}
