#include "deploy/devserver/federation/bundle_updater.h"

#include <fmt/format.h>

#include "agent/spiffe/jwks.h"
#include "agent/spiffe/server_verifier.h"
#include "deploy/devserver/federation/bundle_messages.h"
#include "runtime/core/go_text.h"
#include "spire/api/types/bundle.pb.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::HttpTls;
using runtime::Result;
using runtime::Task;

constexpr std::size_t kRefusalTextMax = 1024;

// The bundle that is known of a trust domain; nothing also for one that cannot be read any more.
std::optional<agent::Bundle> known_bundle(Datastore& datastore, const std::string& trust_domain) {
  BundlePtr stored = datastore.bundles().find(trust_domain);
  if (stored == nullptr) return std::nullopt;
  auto bundle = from_message(*stored);
  return bundle ? std::optional(std::move(*bundle)) : std::nullopt;
}

}  // namespace

Result<std::shared_ptr<const HttpTls>> BundleUpdater::tls_for(const FederationTarget& target) const {
  // An object of its own for each request: no connection is kept from one refresh to the next.
  auto tls = std::make_shared<HttpTls>();
  if (!target.endpoint_id) return std::shared_ptr<const HttpTls>(std::move(tls));
  runtime::Certificates roots;
  if (target.endpoint_id->member_of(own_)) {
    roots = authorities_.x509_certificates();
  } else {
    auto bundle = known_bundle(datastore_, std::string(target.endpoint_id->trust_domain_name()));
    if (!bundle) {
      return Error(ErrorCode::kFailedPrecondition,
                   "can't perform SPIFFE Authentication: local copy of bundle not found");
    }
    roots = bundle->certificates();
  }
  tls->verifier = [id = *target.endpoint_id, roots = std::move(roots), now = clock_.wall_now()](
                      std::span<const runtime::Bytes> chain) { return agent::verify_server(chain, id, roots, now); };
  return std::shared_ptr<const HttpTls>(std::move(tls));
}

Task<Result<agent::Bundle>> BundleUpdater::fetch(const agent::TrustDomain& trust_domain, const FederationTarget& target,
                                                 std::shared_ptr<const HttpTls> tls, runtime::StopToken stop) {
  runtime::HttpRequest request;
  request.url = target.url;
  request.tls = std::move(tls);
  request.body_size_max = agent::kBundleDocumentSizeMax;
  auto answer = co_await client_.send(std::move(request), runtime::Deadline::in(kBundleFetchTimeout), stop);
  if (!answer) co_return std::move(answer.error()).with_context("failed to fetch bundle");
  if (answer->status_code != 200) {
    co_return Error(ErrorCode::kUnavailable, fmt::format("unexpected status {} fetching bundle: {}",
                                                         answer->status_code, answer->body.substr(0, kRefusalTextMax)));
  }
  auto bundle = agent::parse_bundle_document(trust_domain, answer->body);
  if (!bundle) co_return std::move(bundle.error()).with_context("failed to decode bundle");
  // Nobody of a trust domain without authorities could be verified: what is known of it is better.
  if (bundle->empty()) co_return Error(ErrorCode::kMalformed, "failed to decode bundle: no authorities found");
  co_return std::move(*bundle);
}

Result<void> BundleUpdater::store(const agent::Bundle& bundle) {
  auto message = std::make_shared<spire::api::types::Bundle>(to_message(bundle));
  return datastore_.write([&] { return datastore_.bundles().put(message); });
}

Task<BundleUpdate> BundleUpdater::update(agent::TrustDomain trust_domain, FederationTarget target,
                                         runtime::StopToken stop) {
  BundleUpdate outcome;
  auto tls = tls_for(target);
  if (!tls) {
    outcome.failed = std::move(tls.error());
    co_return outcome;
  }
  auto fetched = co_await fetch(trust_domain, target, std::move(*tls), stop);
  outcome.known = known_bundle(datastore_, trust_domain.name());
  if (!fetched) {
    outcome.failed = std::move(fetched.error()).with_context("failed to fetch federated bundle from endpoint");
  } else if (outcome.known && *outcome.known == *fetched) {
    co_return outcome;
  } else if (auto stored = store(*fetched); !stored) {
    outcome.failed = std::move(stored.error()).with_context("failed to store fetched federated bundle");
  } else {
    outcome.stored = std::move(*fetched);
  }
  co_return outcome;
}

}  // namespace steeple::devserver
