#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "attestation/node/k8s_token/messages.h"
#include "attestation/node/table.h"

namespace steeple::attestation {

using runtime::ErrorCode;

namespace {

struct Folder {
  Folder() {
    char name[] = "/tmp/steeple-token-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path = name;
  }
  ~Folder() { std::filesystem::remove_all(path); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  std::string write(const std::string& name, const std::string& content) const {
    std::ofstream(path + "/" + name, std::ios::binary) << content;
    return path + "/" + name;
  }
  std::string path;
};

std::string payload_of(NodeAttestor& attestor) {
  auto evidence = attestor.evidence();
  return evidence ? std::string(runtime::as_text(evidence->payload())) : evidence.error().message();
}

std::string refusal_of(std::string_view kind, const std::string& token_path) {
  auto attestor = make_node_attestor(K8sTokenConfig{kind, "c", token_path}).value();
  auto evidence = attestor->evidence();
  REQUIRE_FALSE(evidence);
  CHECK(evidence.error().code() == ErrorCode::kInvalidArgument);
  return evidence.error().message();
}

}  // namespace

TEST_CASE("Both kinds of service account token send cluster and token, and read the file each time") {
  Folder folder;
  for (std::string_view kind : {"k8s_sat", "k8s_psat"}) {
    std::string path = folder.write("token", "first\n");
    auto attestor = make_node_attestor(K8sTokenConfig{kind, "demo \"<&>\"", path}).value();
    CHECK(attestor->name() == kind);
    auto evidence = attestor->evidence();
    REQUIRE(evidence);
    CHECK(evidence->type() == kind);
    CHECK(runtime::as_text(evidence->payload()) ==
          R"({"cluster":"demo \"\u003c\u0026\u003e\"","token":"first\n"})");  // not trimmed
    folder.write("token", "rotated");
    CHECK(payload_of(*attestor).ends_with(R"("token":"rotated"})"));
    auto answer = attestor->answer(runtime::as_bytes("prove it"));
    CHECK(answer.error().code() == ErrorCode::kInternal);
  }
}

TEST_CASE("A service account token needs a cluster, in the words of either plugin") {
  CHECK(make_node_attestor(K8sTokenConfig{kK8sSatName, "", ""}).error().message() == "configuration missing cluster");
  CHECK(make_node_attestor(K8sTokenConfig{kK8sPsatName, "", ""}).error().message() == "missing required cluster block");
}

TEST_CASE("Without token_path each kind has its own default") {
  for (auto [kind, path] : {std::pair(kK8sSatName, kK8sSatTokenPath), std::pair(kK8sPsatName, kK8sPsatTokenPath)}) {
    if (access(std::string(path).c_str(), F_OK) == 0) continue;  // the test runs in a pod
    CHECK(refusal_of(kind, "") == "unable to load token from " + std::string(path) + ": open " + std::string(path) +
                                      ": no such file or directory");
  }
}

TEST_CASE("A token file that cannot be used is named, and the next attestation reads it again") {
  Folder folder;
  const std::string missing = folder.path + "/none";
  CHECK(refusal_of(kK8sSatName, missing) ==
        "unable to load token from " + missing + ": open " + missing + ": no such file or directory");
  const std::string empty = folder.write("empty", "");
  CHECK(refusal_of(kK8sPsatName, empty) == "unable to load token from " + empty + ": \"" + empty + "\" is empty");
  CHECK(refusal_of(kK8sSatName, folder.path) ==
        "unable to load token from " + folder.path + ": read " + folder.path + ": is a directory");
  const std::string large = folder.write("large", std::string(k8s_token::kTokenBytesMax + 1, 'x'));
  CHECK(refusal_of(kK8sSatName, large).find("larger than the limit of 65536 bytes") != std::string::npos);
  const std::string pipe = folder.path + "/pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(refusal_of(kK8sSatName, pipe) ==
        "unable to load token from " + pipe + ": \"" + pipe + "\" is not a regular file");

  auto attestor = make_node_attestor(K8sTokenConfig{kK8sSatName, "c", empty}).value();
  CHECK_FALSE(attestor->evidence());
  folder.write("empty", "now");
  CHECK(payload_of(*attestor) == R"({"cluster":"c","token":"now"})");
}

TEST_CASE("The server reads a token's payload as Go does") {
  auto parse = [](std::string_view json) { return k8s_token::parse_attestation_data(runtime::as_bytes(json)); };
  auto read = parse(R"({"Cluster":"c","TOKEN":"t\n","other":[1]})").value();
  CHECK(read.cluster == "c");
  CHECK(runtime::as_text(read.token.view()) == "t\n");
  for (std::string_view blank : {"{}", "null", R"({"cluster":null,"token":null})"}) {
    auto empty = parse(blank).value();
    CHECK(empty.cluster.empty());
    CHECK(empty.token.empty());
  }
  for (std::string_view bad : {"", "{", "[]", "7", R"({"cluster":7})", R"({"cluster":"c","token":{}})"}) {
    INFO(bad);
    CHECK(parse(bad).error().code() == ErrorCode::kMalformed);
  }
  CHECK(parse(std::string(k8s_token::kPayloadBytesMax + 1, ' ')).error().code() == ErrorCode::kLimit);
  const std::string token(k8s_token::kTokenBytesMax, '\x01');  // as long as it gets
  auto largest = k8s_token::format_attestation_data("c", token);
  CHECK(runtime::as_text(k8s_token::parse_attestation_data(largest.view()).value().token.view()) == token);
}

}  // namespace steeple::attestation
