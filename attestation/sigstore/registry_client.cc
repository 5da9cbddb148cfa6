#include "attestation/sigstore/registry_client.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"
#include "runtime/task/timeout.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::HttpRequest;
using runtime::HttpResponse;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr std::string_view kManifestTypes =
    "application/vnd.docker.distribution.manifest.v1+json,application/vnd.docker.distribution.manifest.v1+prettyjws,"
    "application/vnd.docker.distribution.manifest.v2+json,application/vnd.oci.image.manifest.v1+json,"
    "application/vnd.oci.image.index.v1+json,application/vnd.docker.distribution.manifest.list.v2+json";
constexpr int kScopesMax = 8;

bool will_pass(int status) {
  constexpr int kStatuses[] = {408, 429, 499, 500, 502, 503, 504, 522};
  return std::find(std::begin(kStatuses), std::end(kStatuses), status) != std::end(kStatuses);
}

bool is_redirect(int status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

HttpRequest request_to(const HttpUrl& url) {
  HttpRequest request;
  request.url = url.text();
  request.plain_http = !url.tls;
  request.follow_redirects = false;
  request.keep_headers = true;
  return request;
}

Error refusal(const HttpUrl& url, const HttpResponse& answer, std::string_view method = "GET") {
  ErrorCode code = ErrorCode::kUnavailable;
  if (answer.status_code == 404) code = ErrorCode::kNotFound;
  if (answer.status_code == 401 || answer.status_code == 403) code = ErrorCode::kDenied;
  return Error(code, registry_error(method, url.text(), answer.status, answer.body));
}

std::string digest_of(std::string_view content) {
  return "sha256:" + runtime::to_hex(runtime::sha256(runtime::as_bytes(content)));
}

Result<void> check_content(const LayerDescriptor& layer, std::string_view content) {
  if (content.size() != layer.size) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("error verifying size; got {}, want {}", content.size(), layer.size));
  }
  if (const std::string got = digest_of(content); got != layer.digest) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("error verifying sha256 checksum after reading {} bytes; got {}, want {}", content.size(),
                             runtime::go_quote(got), runtime::go_quote(layer.digest)));
  }
  return {};
}

std::string join(const std::vector<std::string>& texts, std::string_view separator) {
  return fmt::format("{}", fmt::join(texts, separator));
}

}  // namespace

struct RegistryClient::Wanted {
  HttpUrl url;
  std::string accept;
  std::size_t bytes_max = 0;
  std::string authorization = {};  // instead of the client's own, for a server that is not the registry
};

struct RegistryClient::Realm {
  HttpUrl url;
  std::string service;
  std::vector<std::string> scopes;
};

RegistryClient::RegistryClient(runtime::Loop& loop, runtime::WorkerPool& workers, HttpSend send, ImageReference image,
                               RegistryLogin login, Retries retries)
    : loop_(loop),
      workers_(workers),
      send_(std::move(send)),
      image_(std::move(image)),
      login_(std::move(login)),
      retries_(std::move(retries)),
      scopes_{fmt::format("repository:{}:pull", image_.repository)} {}

HttpUrl RegistryClient::url_of(std::string_view kind, std::string_view identifier) const {
  return {tls_, image_.registry, fmt::format("/v2/{}/{}/{}", image_.repository, kind, identifier)};
}

std::string RegistryClient::authorization() const {
  if (challenge_.scheme == "bearer" || (challenge_.scheme.empty() && !token_.empty())) {
    return token_.empty() ? std::string() : "Bearer " + std::string(runtime::as_text(token_.view()));
  }
  if (!login_.registry_token.empty()) return "Bearer " + std::string(runtime::as_text(login_.registry_token.view()));
  return login_.basic();
}

Task<Result<std::string>> RegistryClient::digest(Deadline deadline, StopToken stop) {
  if (!image_.digest.empty()) co_return image_.digest;
  STEEPLE_CO_CHECK(co_await connect(deadline, stop));
  const HttpUrl url = url_of("manifests", image_.tag);
  STEEPLE_CO_TRY(answer, co_await get({url, std::string(kManifestTypes), kManifestBytesMax}, deadline, stop));
  if (answer.status_code != 200) co_return refusal(url, answer);
  co_return digest_of(answer.body);
}

Task<Result<std::vector<LayerDescriptor>>> RegistryClient::layers(std::string tag, Deadline deadline, StopToken stop) {
  STEEPLE_CO_CHECK(co_await connect(deadline, stop));
  const HttpUrl url = url_of("manifests", tag);
  STEEPLE_CO_TRY(answer, co_await get({url, std::string(kManifestTypes), kManifestBytesMax}, deadline, stop));
  if (answer.status_code == 404) co_return std::vector<LayerDescriptor>();
  if (answer.status_code != 200) co_return refusal(url, answer);
  co_return parse_signature_manifest(answer.body);
}

Task<Result<std::string>> RegistryClient::content(const LayerDescriptor& layer, Deadline deadline, StopToken stop) {
  if (layer.data) co_return *layer.data;
  if (layer.size > kLayerBytesMax) {
    co_return Error(ErrorCode::kLimit,
                    fmt::format("size of layer ({}) exceeded the limit ({})", layer.size, kLayerBytesMax));
  }
  STEEPLE_CO_CHECK(co_await connect(deadline, stop));
  const HttpUrl url = url_of("blobs", layer.digest);
  STEEPLE_CO_TRY(
      answer, co_await get({url, "", std::max<std::size_t>(layer.size, runtime::kHttpRefusalBodyMax)}, deadline, stop));
  if (answer.status_code != 200) co_return refusal(url, answer);
  Result<void> checked = co_await workers_.run([&] { return check_content(layer, answer.body); });
  if (!checked) co_return std::move(checked.error());
  co_return std::move(answer.body);
}

// What the registry asks for is in its answer to a request without credentials.
Task<Result<void>> RegistryClient::connect(Deadline deadline, StopToken stop) {
  if (connected_) co_return Result<void>();
  STEEPLE_CO_TRY(answer, co_await ping(deadline, stop));
  if (answer.status_code == 401) {
    const std::vector<std::string> headers = answer.header("www-authenticate");
    challenge_ = pick_challenge(headers).value_or(Challenge{"basic", {}});
  }
  if (challenge_.scheme == "bearer") STEEPLE_CO_CHECK(co_await refresh_token(deadline, stop));
  connected_ = true;
  co_return Result<void>();
}

// Both ways where plain HTTP is allowed, which begins later; the first answer counts.
struct RegistryClient::Race {
  explicit Race(runtime::Loop& loop) : ended(loop) {}
  bool over() const { return (secure && *secure) || (plain && *plain) || (secure && plain); }
  runtime::Signal ended;
  std::optional<Answer> secure, plain;
};

Task<void> RegistryClient::run_in(Race& race, bool tls, Deadline deadline, StopToken stop) {
  Answer answer = co_await ping_by(tls, deadline, stop);
  (tls ? race.secure : race.plain) = std::move(answer);
  race.ended.notify();
}

// An answer that is no registry's is an error.
Task<RegistryClient::Answer> RegistryClient::ping_by(bool tls, Deadline deadline, StopToken stop) {
  const HttpUrl url{tls, image_.registry, "/v2/"};
  Answer answer = co_await get_once({url, "", runtime::kHttpRefusalBodyMax, "none"}, deadline, stop);
  if (answer && answer->status_code != 200 && answer->status_code != 401) co_return refusal(url, *answer);
  co_return std::move(answer);
}

Task<RegistryClient::Answer> RegistryClient::ping(Deadline deadline, StopToken stop) {
  tls_ = true;
  if (!allows_plain_http(image_.registry)) co_return co_await ping_by(true, deadline, stop);
  Race race(loop_);
  runtime::TaskGroup racers(loop_, stop);
  racers.spawn(run_in(race, true, deadline, racers.token()));
  const Deadline start = Deadline::after(loop_.now(), kPlainPingDelay);
  while (!race.secure && co_await race.ended.wait(start, stop)) {
  }
  if (!race.over()) racers.spawn(run_in(race, false, deadline, racers.token()));
  while (!race.over() && co_await race.ended.wait(deadline, stop)) {
  }
  racers.close(runtime::StopReason::kShutdown);
  co_await racers.join();
  if (stop.stop_requested()) co_return stop.error();
  if (race.secure && *race.secure) co_return std::move(*race.secure);
  tls_ = false;
  if (*race.plain) co_return std::move(*race.plain);
  co_return Error(race.plain->error().code(), race.secure->error().message() + "; " + race.plain->error().message());
}

// With the retries of what will pass.
Task<RegistryClient::Answer> RegistryClient::get(Wanted wanted, Deadline deadline, StopToken stop) {
  Answer answer = co_await get_once(wanted, deadline, stop);
  if (answer && answer->status_code == 401 && challenge_.scheme == "bearer") {
    if (const auto again = pick_challenge(answer->header("www-authenticate"))) {
      want_scope(*again);
      STEEPLE_CO_CHECK(co_await refresh_token(deadline, stop));
      answer = co_await get_once(wanted, deadline, stop);
    }
  }
  for (const std::chrono::nanoseconds wait : retries_) {
    if (!answer || !will_pass(answer->status_code)) break;
    const Deadline next = Deadline::after(loop_.now(), wait);
    if (deadline.sooner(next) == deadline) break;
    STEEPLE_CO_CHECK(co_await runtime::sleep_until(loop_, next, stop));
    answer = co_await get_once(wanted, deadline, stop);
  }
  co_return std::move(answer);
}

Task<RegistryClient::Answer> RegistryClient::get_once(const Wanted& wanted, Deadline deadline, StopToken stop) {
  return follow(wanted, deadline.sooner(Deadline::after(loop_.now(), kRegistryRequestTimeout)), stop);
}

Task<RegistryClient::Answer> RegistryClient::follow(Wanted wanted, Deadline deadline, StopToken stop) {
  const HttpUrl first = wanted.url;
  for (int redirects = 0;; ++redirects) {
    HttpRequest request = request_to(wanted.url);
    if (!wanted.accept.empty()) request.headers.push_back("Accept: " + wanted.accept);
    const bool at_registry = same_server(image_.registry, wanted.url.host, wanted.url.tls);
    if (at_registry && wanted.authorization.empty()) {
      if (const std::string own = authorization(); !own.empty()) request.headers.push_back("Authorization: " + own);
    }
    request.body_size_max = wanted.bytes_max;
    STEEPLE_CO_TRY(answer, co_await send_(std::move(request), deadline, stop));
    const std::vector<std::string> location = answer.header("location");
    if (!is_redirect(answer.status_code) || location.empty()) {
      if (answer.status_code != 401 || at_registry) co_return std::move(answer);
      co_return co_await try_elsewhere(wanted, std::move(answer), deadline, stop);
    }
    if (redirects == runtime::kHttpRedirectsMax) {
      co_return Error(ErrorCode::kLimit, fmt::format("Get {}: stopped after {} redirects",
                                                     runtime::go_quote(wanted.url.text()), redirects));
    }
    const std::optional<HttpUrl> next = resolve_location(wanted.url, location.front());
    if (!next) co_return Error(ErrorCode::kMalformed, "a redirect leads nowhere: " + first.text());
    STEEPLE_CO_CHECK(runtime::with_context(check_redirect(first, *next), "Get " + runtime::go_quote(next->text())));
    wanted.url = *next;
  }
}

// A redirect has led to another registry, which gives a token to anybody.
Task<RegistryClient::Answer> RegistryClient::try_elsewhere(const Wanted& wanted, Answer refused, Deadline deadline,
                                                           StopToken stop) {
  const std::optional<Challenge> challenge = pick_challenge(refused->header("www-authenticate"));
  const std::string* realm = challenge && challenge->scheme == "bearer" ? challenge->find("realm") : nullptr;
  if (realm == nullptr) co_return std::move(refused);
  const Result<HttpUrl> url = check_realm(*realm, wanted.url.host, !wanted.url.tls);
  if (!url) co_return std::move(refused);
  const std::string* service = challenge->find("service");
  const std::string* scope = challenge->find("scope");
  const Realm asked{*url, service ? *service : "", {scope ? *scope : ""}};
  const Result<TokenAnswer> token = co_await fetch_token(asked, RegistryLogin(), deadline, stop);
  if (!token) co_return std::move(refused);
  HttpRequest request = request_to(wanted.url);
  if (!wanted.accept.empty()) request.headers.push_back("Accept: " + wanted.accept);
  request.headers.push_back("Authorization: Bearer " + std::string(runtime::as_text(token->token.view())));
  request.body_size_max = wanted.bytes_max;
  co_return co_await send_(std::move(request), deadline, stop);
}

// Some registries look at the first scope only.
void RegistryClient::want_scope(const Challenge& challenge) {
  const std::string* scope = challenge.find("scope");
  if (scope == nullptr || scopes_.size() == kScopesMax) return;
  if (std::find(scopes_.begin(), scopes_.end(), *scope) != scopes_.end()) return;
  scopes_.insert(scopes_.begin(), *scope);
}

Task<Result<void>> RegistryClient::refresh_token(Deadline deadline, StopToken stop) {
  if (!login_.registry_token.empty()) {
    token_ = login_.registry_token.clone();
    co_return Result<void>();
  }
  const std::string* realm = challenge_.find("realm");
  if (realm == nullptr) co_return Error(ErrorCode::kMalformed, "malformed www-authenticate, missing realm");
  STEEPLE_CO_TRY(url, check_realm(*realm, image_.registry, !tls_));
  const std::string* service = challenge_.find("service");
  STEEPLE_CO_TRY(answer, co_await fetch_token({url, service ? *service : "", scopes_}, login_, deadline, stop));
  token_ = std::move(answer.token);
  if (!answer.refresh_token.empty()) {
    login_ = RegistryLogin();
    login_.identity_token = std::move(answer.refresh_token);
  }
  co_return Result<void>();
}

Task<Result<TokenAnswer>> RegistryClient::fetch_token(Realm realm, const RegistryLogin& login, Deadline deadline,
                                                      StopToken stop) {
  const bool by_oauth = !login.identity_token.empty();
  Answer answer = by_oauth ? co_await ask_realm_by_oauth(realm, login, deadline, stop)
                           : co_await ask_realm(realm, login.basic(), deadline, stop);
  // Not every server of tokens knows OAuth 2.
  const bool unknown = by_oauth && answer && answer->status_code == 404;
  if (unknown) answer = co_await ask_realm(realm, login.basic(), deadline, stop);
  if (!answer) co_return std::move(answer.error());
  if (answer->status_code != 200) {
    HttpUrl shown = realm.url;
    if (!by_oauth || unknown) {
      shown.target +=
          fmt::format("?scope={}&service={}", query_escaped(join(realm.scopes, " ")), query_escaped(realm.service));
    }
    co_return refusal(shown, *answer, by_oauth && !unknown ? "POST" : "GET");
  }
  co_return parse_token_answer(answer->body);
}

Task<RegistryClient::Answer> RegistryClient::ask_realm(const Realm& realm, std::string authorization, Deadline deadline,
                                                       StopToken stop) {
  HttpUrl url = realm.url;
  for (const std::string& scope : realm.scopes) {
    url.target += (url.target.find('?') == std::string::npos ? "?scope=" : "&scope=") + query_escaped(scope);
  }
  url.target += "&service=" + query_escaped(realm.service);
  for (int redirects = 0;; ++redirects) {
    HttpRequest request = request_to(url);
    request.body_size_max = kTokenBytesMax;
    if (!authorization.empty() && url.host == realm.url.host && url.tls == realm.url.tls) {
      request.headers.push_back("Authorization: " + authorization);
    }
    STEEPLE_CO_TRY(answer, co_await send_(std::move(request), deadline, stop));
    const std::vector<std::string> location = answer.header("location");
    if (!is_redirect(answer.status_code) || location.empty() || redirects == runtime::kHttpRedirectsMax) {
      co_return std::move(answer);
    }
    const std::optional<HttpUrl> next = resolve_location(url, location.front());
    if (!next) co_return Error(ErrorCode::kMalformed, "a redirect leads nowhere: " + realm.url.text());
    STEEPLE_CO_TRY(checked, check_realm(next->text(), image_.registry, !tls_));
    url = checked;
  }
}

// The secret goes into the body: redirects are not followed.
Task<RegistryClient::Answer> RegistryClient::ask_realm_by_oauth(const Realm& realm, const RegistryLogin& login,
                                                                Deadline deadline, StopToken stop) {
  HttpRequest request = request_to(realm.url);
  request.method = "POST";
  request.headers.emplace_back("Content-Type: application/x-www-form-urlencoded");
  request.body =
      fmt::format("client_id=steeple&grant_type=refresh_token&refresh_token={}&scope={}",
                  query_escaped(runtime::as_text(login.identity_token.view())), query_escaped(join(realm.scopes, " ")));
  if (!realm.service.empty()) request.body += "&service=" + query_escaped(realm.service);
  request.body_size_max = kTokenBytesMax;
  co_return co_await send_(std::move(request), deadline, stop);
}

}  // namespace steeple::attestation
