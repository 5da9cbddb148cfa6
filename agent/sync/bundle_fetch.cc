#include "agent/sync/bundle_fetch.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/task/task_group.h"

namespace steeple::agent {
namespace {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::StopToken;
using runtime::Task;

struct FederatedFetch {
  FederatedFetch(ServerClient& client, std::vector<TrustDomain> wanted, const BundleSet& known_bundles, Deadline until)
      : server(client), trust_domains(std::move(wanted)), known(known_bundles), deadline(until) {}
  ServerClient& server;
  std::vector<TrustDomain> trust_domains;
  const BundleSet& known;
  Deadline deadline;
  std::size_t next = 0;
  std::vector<SharedBundle> fetched;
  std::optional<ServerError> error;
};

Task<void> fetch_one_by_one(FederatedFetch* fetch, StopToken stop) {
  while (!fetch->error && fetch->next < fetch->trust_domains.size()) {
    const TrustDomain& trust_domain = fetch->trust_domains[fetch->next++];
    ServerResult<SharedBundle> bundle =
        co_await fetch->server.get_federated_bundle(trust_domain, fetch->deadline, stop);
    if (bundle && *bundle) {
      fetch->fetched.push_back(std::move(*bundle));
    } else if (!bundle && bundle.error().code() == ErrorCode::kMalformed) {
      if (SharedBundle kept = fetch->known.find(trust_domain)) fetch->fetched.push_back(std::move(kept));
    } else if (!bundle && !fetch->error) {
      fetch->error = std::move(bundle.error());
    }
  }
}

}  // namespace

Task<ServerResult<BundleSet>> fetch_bundles(runtime::Loop& loop, ServerClient& server, TrustDomain own,
                                            std::vector<TrustDomain> federated, const BundleSet& known,
                                            Deadline deadline, StopToken stop) {
  STEEPLE_CO_TRY(own_bundle, co_await server.get_bundle(deadline, stop));
  if (own_bundle->trust_domain() != own) {
    co_return Error(ErrorCode::kMalformed, fmt::format("failed to fetch bundle: it is of trust domain {} instead of {}",
                                                       own_bundle->trust_domain().name(), own.name()));
  }
  if (own_bundle->x509_authorities().empty()) {
    co_return Error(ErrorCode::kMalformed, "failed to fetch bundle: it has no X.509 authorities");
  }
  std::erase(federated, own);
  FederatedFetch fetch(server, std::move(federated), known, deadline);
  runtime::TaskGroup group(loop, stop);
  const std::size_t workers = std::min(kFederatedFetchesMax, fetch.trust_domains.size());
  for (std::size_t i = 0; i < workers; ++i) group.spawn(fetch_one_by_one(&fetch, group.token()));
  co_await group.join();
  if (fetch.error) co_return std::move(*fetch.error);
  BundleSet bundles(std::move(own_bundle));
  for (SharedBundle& bundle : fetch.fetched) bundles.set_federated(std::move(bundle));
  co_return std::move(bundles);
}

}  // namespace steeple::agent
