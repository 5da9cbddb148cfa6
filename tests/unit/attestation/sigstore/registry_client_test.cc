#include "attestation/sigstore/registry_client.h"

#include <catch2/catch.hpp>
#include <functional>
#include <map>

#include "runtime/task/blocking.h"
#include "runtime/tls/encoding.h"

using namespace steeple;
using namespace steeple::attestation;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::HttpRequest;
using runtime::HttpResponse;
using runtime::Result;
using runtime::run_until_done;

namespace {

constexpr char kTag[] = "sha256-1.sig";

std::string digest_of(std::string_view content) {
  return "sha256:" + runtime::to_hex(runtime::sha256(runtime::as_bytes(content)));
}

LayerDescriptor layer_of(std::string_view content) {
  LayerDescriptor layer;
  layer.digest = digest_of(content);
  layer.size = content.size();
  return layer;
}

// Answers by URL; what it does not know is 404. Keeps what it was asked: "URL" and the value of Authorization.
struct Registry {
  using Answer = std::function<HttpResponse(const HttpRequest&)>;
  runtime::Loop loop;
  runtime::WorkerPool workers{loop, 1, 16};
  std::map<std::string, Answer> answers;
  std::vector<std::pair<std::string, std::string>> asked;
  bool no_tls = false;

  static std::string authorization(const HttpRequest& request) {
    for (const std::string& header : request.headers) {
      if (header.starts_with("Authorization: ")) return header.substr(15);
    }
    return {};
  }
  void say(const std::string& url, HttpResponse answer) {
    answers[url] = [answer](const HttpRequest&) { return answer; };
  }
  runtime::Task<Result<HttpResponse>> answer(HttpRequest request) {
    CHECK_FALSE(request.follow_redirects);
    asked.emplace_back(request.url, authorization(request));
    if (no_tls && request.url.starts_with("https:")) {
      co_return Error(ErrorCode::kTls, "Get \"" + request.url + "\": no TLS");
    }
    const auto found = answers.find(request.url);
    if (found == answers.end()) co_return HttpResponse{404, "404 Not Found", "", {}};
    co_return found->second(request);
  }
  HttpSend send() {
    return [this](HttpRequest request, Deadline, runtime::StopToken) { return answer(std::move(request)); };
  }
  RegistryClient client(const std::string& image, RegistryLogin login = {}) {
    return {loop, workers, send(), *parse_image_reference(image), std::move(login), {std::chrono::milliseconds(1)}};
  }
};

HttpResponse ok(std::string body) { return {200, "200 OK", std::move(body), {}}; }
HttpResponse unauthorized(const std::string& challenge) {
  return {401, "401 Unauthorized", "", {{"www-authenticate", challenge}}};
}
HttpResponse redirect(const std::string& to) { return {307, "307 Temporary Redirect", "", {{"location", to}}}; }

RegistryLogin login_of(const std::string& user, const std::string& password) {
  RegistryLogin login;
  login.username = user;
  login.password = runtime::SecretBytes(runtime::as_bytes(password));
  return login;
}

const std::string kManifest = R"({"layers":[{"mediaType":"m","size":5,"digest":")" + digest_of("hello") + "\"}]}";

Result<std::vector<LayerDescriptor>> layers_of(Registry& registry, RegistryClient& client) {
  return run_until_done(registry.loop, client.layers(kTag, Deadline::never(), {}));
}
Result<std::string> content_of(Registry& registry, RegistryClient& client, std::string_view content) {
  const LayerDescriptor layer = layer_of(content);
  return run_until_done(registry.loop, client.content(layer, Deadline::never(), {}));
}

}  // namespace

TEST_CASE("registry client: a registry that asks for nothing gives manifest and layer; a missing tag has no layers") {
  Registry registry;
  registry.say("https://reg.example/v2/", ok(""));
  registry.say("https://reg.example/v2/app/manifests/sha256-1.sig", ok(kManifest));
  registry.say("https://reg.example/v2/app/blobs/" + digest_of("hello"), ok("hello"));
  RegistryClient client = registry.client("reg.example/app:1", login_of("u", "p"));
  auto layers = layers_of(registry, client);
  REQUIRE(layers);
  REQUIRE(layers->size() == 1);
  CHECK(content_of(registry, client, "hello") == "hello");
  auto none = run_until_done(registry.loop, client.layers("other", Deadline::never(), {}));
  REQUIRE(none);
  CHECK(none->empty());
  CHECK(registry.asked.front() == std::pair<std::string, std::string>("https://reg.example/v2/", ""));
}

TEST_CASE("registry client: a tag's digest is that of its manifest") {
  Registry registry;
  registry.say("https://reg.example/v2/", ok(""));
  registry.say("https://reg.example/v2/app/manifests/1", ok("manifest"));
  RegistryClient client = registry.client("reg.example/app:1");
  CHECK(run_until_done(registry.loop, client.digest(Deadline::never(), {})) == digest_of("manifest"));
  RegistryClient absent = registry.client("reg.example/app:2");
  auto digest = run_until_done(registry.loop, absent.digest(Deadline::never(), {}));
  REQUIRE_FALSE(digest);
  CHECK(digest.error().code() == ErrorCode::kNotFound);
  CHECK(digest.error().message() == "GET https://reg.example/v2/app/manifests/2: unexpected status code 404 Not Found");
  RegistryClient known = registry.client("other.example/app@" + digest_of("x"));
  CHECK(run_until_done(registry.loop, known.digest(Deadline::never(), {})) == digest_of("x"));
}

TEST_CASE("registry client: basic credentials go with each request but the first") {
  Registry registry;
  registry.say("https://reg.example/v2/", unauthorized("Basic realm=\"r\""));
  registry.say("https://reg.example/v2/app/manifests/sha256-1.sig", ok(kManifest));
  RegistryClient client = registry.client("reg.example/app:1", login_of("u", "p"));
  CHECK(layers_of(registry, client));
  REQUIRE(registry.asked.size() == 2);
  CHECK(registry.asked[0].second.empty());
  CHECK(registry.asked[1].second == "Basic dTpw");
}

TEST_CASE("registry client: a token is fetched with the login, for the repository, and again when it has passed") {
  Registry registry;
  int tokens = 0;
  registry.say("https://reg.example/v2/", unauthorized(R"(Bearer realm="https://auth.example/t",service="s e")"));
  registry.answers["https://auth.example/t?scope=repository%3Aapp%3Apull&service=s+e"] = [&](const HttpRequest&) {
    return ok(R"({"token":"t)" + std::to_string(++tokens) + "\"}");
  };
  registry.answers["https://reg.example/v2/app/manifests/sha256-1.sig"] = [](const HttpRequest& request) {
    if (Registry::authorization(request) == "Bearer t2") return ok(kManifest);
    return unauthorized(R"(Bearer realm="https://auth.example/t",error="invalid_token")");
  };
  RegistryClient client = registry.client("reg.example/app:1", login_of("u", "p"));
  CHECK(layers_of(registry, client));
  REQUIRE(registry.asked.size() == 5);
  CHECK(registry.asked[1].second == "Basic dTpw");
  CHECK(registry.asked[2].second == "Bearer t1");
  CHECK(registry.asked[4].second == "Bearer t2");
}

TEST_CASE("registry client: no token, no login; the answer's text is in the error") {
  Registry registry;
  registry.say("https://reg.example/v2/", unauthorized(R"(Bearer realm="https://auth.example/t",service="s")"));
  registry.say("https://auth.example/t?scope=repository%3Aapp%3Apull&service=s", {401, "401 Unauthorized", "who?", {}});
  RegistryClient client = registry.client("reg.example/app:1");
  auto layers = layers_of(registry, client);
  REQUIRE_FALSE(layers);
  CHECK(layers.error().code() == ErrorCode::kDenied);
  CHECK(layers.error().message() ==
        "GET https://auth.example/t?scope=repository%3Aapp%3Apull&service=s: unexpected status code 401 Unauthorized: "
        "who?");
  registry.say("https://reg.example/v2/", unauthorized(R"(Bearer realm="http://169.254.169.254/")"));
  RegistryClient lured = registry.client("reg.example/app:1", login_of("u", "p"));
  CHECK(layers_of(registry, lured).error().code() == ErrorCode::kDenied);
}

TEST_CASE("registry client: an identity token is exchanged by OAuth 2") {
  Registry registry;
  registry.say("https://reg.example/v2/", unauthorized(R"(Bearer realm="https://auth.example/t",service="s")"));
  registry.answers["https://auth.example/t"] = [](const HttpRequest& request) {
    CHECK(request.method == "POST");
    CHECK(request.body ==
          "client_id=steeple&grant_type=refresh_token&refresh_token=secret&scope=repository%3Aapp%3Apull&service=s");
    return ok(R"({"access_token":"t"})");
  };
  registry.say("https://reg.example/v2/app/manifests/sha256-1.sig", ok(kManifest));
  RegistryLogin login;
  login.identity_token = runtime::SecretBytes(runtime::as_bytes("secret"));
  RegistryClient client = registry.client("reg.example/app:1", std::move(login));
  CHECK(layers_of(registry, client));
  CHECK(registry.asked.back().second == "Bearer t");
}

TEST_CASE("registry client: credentials do not follow a redirect to another server") {
  Registry registry;
  const std::string blob = "/v2/app/blobs/" + digest_of("hello");
  registry.say("https://reg.example/v2/", unauthorized("Basic realm=x"));
  registry.say("https://reg.example" + blob, redirect("https://reg.example:443/here"));
  registry.say("https://reg.example:443/here", redirect("https://cdn.example/there"));
  registry.say("https://cdn.example/there", ok("hello"));
  RegistryClient client = registry.client("reg.example/app:1", login_of("u", "p"));
  CHECK(content_of(registry, client, "hello") == "hello");
  REQUIRE(registry.asked.size() == 4);
  CHECK(registry.asked[2].second == "Basic dTpw");
  CHECK(registry.asked[3] == std::pair<std::string, std::string>("https://cdn.example/there", ""));

  registry.say("https://cdn.example/there", redirect("http://cdn.example/plain"));
  CHECK(content_of(registry, client, "hello").error().code() == ErrorCode::kDenied);
  registry.say("https://cdn.example/there", redirect("https://127.0.0.1/"));
  CHECK(content_of(registry, client, "hello").error().code() == ErrorCode::kDenied);
  registry.say("https://cdn.example/there", redirect("https://cdn.example/there"));
  auto turning = content_of(registry, client, "hello");
  CHECK(turning.error().message() == "Get \"https://cdn.example/there\": stopped after 10 redirects");
}

TEST_CASE("registry client: another registry behind a redirect gives a token to anybody") {
  Registry registry;
  registry.say("https://reg.example/v2/", unauthorized("Basic realm=x"));
  registry.say("https://reg.example/v2/app/manifests/sha256-1.sig", redirect("https://pkg.example/v2/a/manifests/1"));
  registry.answers["https://pkg.example/v2/a/manifests/1"] = [](const HttpRequest& request) {
    if (Registry::authorization(request) == "Bearer anybody") return ok(kManifest);
    return unauthorized(R"(Bearer realm="https://pkg.example/t",service="p",scope="repository:a:pull")");
  };
  registry.say("https://pkg.example/t?scope=repository%3Aa%3Apull&service=p", ok(R"({"token":"anybody"})"));
  RegistryClient client = registry.client("reg.example/app:1", login_of("u", "p"));
  CHECK(layers_of(registry, client));
  for (const auto& [url, authorization] : registry.asked) {
    INFO(url);
    CHECK((authorization != "Basic dTpw" || url.starts_with("https://reg.example/")));
  }
}

TEST_CASE("registry client: content that is not what its digest says") {
  Registry registry;
  registry.say("https://reg.example/v2/", ok(""));
  registry.say("https://reg.example/v2/app/blobs/" + digest_of("hello"), ok("jello"));
  RegistryClient client = registry.client("reg.example/app:1");
  CHECK(content_of(registry, client, "hello").error().message() ==
        "error verifying sha256 checksum after reading 5 bytes; got \"" + digest_of("jello") + "\", want \"" +
            digest_of("hello") + "\"");
  registry.say("https://reg.example/v2/app/blobs/" + digest_of("hello"), ok("hell"));
  CHECK(content_of(registry, client, "hello").error().message() == "error verifying size; got 4, want 5");
  LayerDescriptor huge = layer_of("hello");
  huge.size = kLayerBytesMax + 1;
  auto refused = run_until_done(registry.loop, client.content(huge, Deadline::never(), {}));
  CHECK(refused.error().message() == "size of layer (33554433) exceeded the limit (33554432)");
}

TEST_CASE("registry client: plain HTTP on the machine itself, and nowhere else") {
  Registry registry;
  registry.no_tls = true;
  registry.say("http://127.0.0.1:5000/v2/", ok(""));
  registry.say("http://127.0.0.1:5000/v2/app/manifests/sha256-1.sig", ok(kManifest));
  RegistryClient client = registry.client("127.0.0.1:5000/app:1");
  CHECK(layers_of(registry, client));
  registry.say("http://reg.example/v2/", ok(""));
  RegistryClient outside = registry.client("reg.example/app:1");
  CHECK(layers_of(registry, outside).error().message() == "Get \"https://reg.example/v2/\": no TLS");
}

TEST_CASE("registry client: what will pass is asked again") {
  Registry registry;
  int asked = 0;
  registry.say("https://reg.example/v2/", ok(""));
  registry.answers["https://reg.example/v2/app/manifests/sha256-1.sig"] = [&](const HttpRequest&) {
    return ++asked == 1 ? HttpResponse{503, "503 Service Unavailable", "", {}} : ok(kManifest);
  };
  RegistryClient client = registry.client("reg.example/app:1");
  CHECK(layers_of(registry, client));
  CHECK(asked == 2);
}
