// Brings another trust domain's bundle over: fetches it from its endpoint, and stores it when it is another one than is
// known. https_web is verified by the system's roots, https_spiffe by the endpoint's SPIFFE ID and the bundle known of
// that ID's trust domain. What fails changes nothing. I/O thread only; the requests run on workers.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "deploy/devserver/ca/authorities.h"
#include "deploy/devserver/federation/relationship.h"
#include "runtime/http1/client.h"

namespace steeple::devserver {

inline constexpr std::chrono::seconds kBundleFetchTimeout{30};

struct BundleUpdate {
  std::optional<agent::Bundle> known;   // before the update, when there was one that can be read
  std::optional<agent::Bundle> stored;  // the new one, when it differs
  std::optional<runtime::Error> failed;
};

class BundleUpdater {
 public:
  BundleUpdater(runtime::HttpClient& client, Datastore& datastore, const Authorities& authorities,
                const agent::TrustDomain& own, const runtime::Clock& clock)
      : client_(client), datastore_(datastore), authorities_(authorities), own_(own), clock_(clock) {}

  runtime::Task<BundleUpdate> update(agent::TrustDomain trust_domain, FederationTarget target, runtime::StopToken stop);

 private:
  runtime::Result<std::shared_ptr<const runtime::HttpTls>> tls_for(const FederationTarget& target) const;
  runtime::Task<runtime::Result<agent::Bundle>> fetch(const agent::TrustDomain& trust_domain,
                                                      const FederationTarget& target,
                                                      std::shared_ptr<const runtime::HttpTls> tls,
                                                      runtime::StopToken stop);
  runtime::Result<void> store(const agent::Bundle& bundle);

  runtime::HttpClient& client_;
  Datastore& datastore_;
  const Authorities& authorities_;
  const agent::TrustDomain& own_;
  const runtime::Clock& clock_;
};

}  // namespace steeple::devserver
