#include "attestation/sigstore/registry_answers.h"

#include <catch2/catch.hpp>

#include "attestation/sigstore/www_authenticate.h"

using namespace steeple;
using namespace steeple::attestation;
using runtime::ErrorCode;

namespace {

const std::string kDigest = "sha256:" + std::string(64, 'b');

std::string layer(const std::string& more = "") {
  return R"({"mediaType":"m","size":7,"digest":")" + kDigest + "\"" + more + "}";
}

}  // namespace

TEST_CASE("www-authenticate: scheme and parameters, quoted or not") {
  auto challenge = parse_challenge(R"(Bearer realm="https://a/\"t\"",Service=reg , scope="repository:o/r:pull")");
  REQUIRE(challenge);
  CHECK(challenge->scheme == "bearer");
  CHECK(*challenge->find("realm") == "https://a/\"t\"");
  CHECK(*challenge->find("service") == "reg");
  CHECK(*challenge->find("scope") == "repository:o/r:pull");
  CHECK(challenge->find("error") == nullptr);
  CHECK_FALSE(parse_challenge("\"quoted\""));
  CHECK(parse_challenge("Bearer realm=\"open")->parameters.empty());
  CHECK(parse_challenge("Negotiate abc==")->scheme == "negotiate");
  CHECK(pick_challenge({"Negotiate", "Basic realm=x"})->scheme == "basic");
  CHECK(pick_challenge({"Negotiate", "Digest"})->scheme == "negotiate");
  CHECK_FALSE(pick_challenge({"", "="}));
}

TEST_CASE("registry answers: the layers of a manifest") {
  auto layers =
      parse_signature_manifest(R"({"layers":[)" + layer(R"(,"annotations":{"k":"v"})") + "," + layer() + "]}");
  REQUIRE(layers);
  REQUIRE(layers->size() == 2);
  CHECK(layers->front().media_type == "m");
  CHECK(layers->front().digest == kDigest);
  CHECK(layers->front().size == 7);
  CHECK(layers->front().annotations.at("k") == "v");
  CHECK(parse_signature_manifest(R"({"layers":null})")->empty());
  // The content itself, which has to be what the digest says.
  const std::string inlined =
      R"({"layers":[{"size":5,"data":"aGVsbG8=","digest":"sha256:2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"}]})";
  CHECK(parse_signature_manifest(inlined)->front().data == "hello");
}

TEST_CASE("registry answers: what is no manifest is refused") {
  for (const std::string& text :
       {std::string("{"), std::string("[]"), std::string(R"({"manifests":[]})"), std::string(R"({"layers":{}})"),
        std::string(R"({"layers":[1]})"), std::string(R"({"layers":[{"size":1}]})"),
        R"({"layers":[{"size":-1,"digest":")" + kDigest + "\"}]}",
        R"({"layers":[)" + layer(R"(,"annotations":{"k":1})") + "]}",
        R"({"layers":[)" + layer(R"(,"data":"aGVsbG8=")") + "]}"}) {
    INFO(text);
    auto layers = parse_signature_manifest(text);
    REQUIRE_FALSE(layers);
    CHECK(layers.error().code() == ErrorCode::kMalformed);
  }
  std::string many = R"({"layers":[)";
  for (std::size_t i = 0; i <= kSignatureLayersMax; ++i) many += (i == 0 ? "" : ",") + layer();
  auto layers = parse_signature_manifest(many + "]}");
  REQUIRE_FALSE(layers);
  CHECK(layers.error().message() == "number of layers (1001) exceeded the limit (1000)");
}

TEST_CASE("registry answers: a token under either name") {
  CHECK(runtime::as_text(parse_token_answer(R"({"token":"a"})")->token.view()) == "a");
  auto both = parse_token_answer(R"({"token":"a","access_token":"b","refresh_token":"c"})");
  REQUIRE(both);
  CHECK(runtime::as_text(both->token.view()) == "b");
  CHECK(runtime::as_text(both->refresh_token.view()) == "c");
  CHECK_FALSE(parse_token_answer("x"));
  CHECK(parse_token_answer(R"({"secret":"s"})").error().message() == "no token in bearer response");
}

TEST_CASE("registry answers: errors read as go-containerregistry prints them") {
  const std::string url = "http://h/v2/a/manifests/t";
  CHECK(
      registry_error("GET", url, "404 Not Found",
                     R"({"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"t"}}]})") ==
      "GET http://h/v2/a/manifests/t: MANIFEST_UNKNOWN: manifest unknown; map[Tag:t]");
  CHECK(registry_error("GET", url, "401 Unauthorized",
                       R"({"errors":[{"code":"A","message":"b","detail":[{"Name":"x","Class":""}]},{"code":"C"}]})") ==
        "GET http://h/v2/a/manifests/t: multiple errors returned: A: b; [map[Class: Name:x]]; C: ");
  CHECK(registry_error("GET", url, "502 Bad Gateway", "") ==
        "GET http://h/v2/a/manifests/t: unexpected status code 502 Bad Gateway");
  CHECK(registry_error("GET", "https://h/t?scope=a&service=b&sig=secret", "403 Forbidden", "no") ==
        "GET https://h/t?scope=a&service=b&sig=REDACTED: unexpected status code 403 Forbidden: no");
}
