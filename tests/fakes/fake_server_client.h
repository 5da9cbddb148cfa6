// A SPIRE server behind the agent's ServerClient: entries and bundles the test sets, CSRs really signed, failures and
// wrong answers on demand.
#pragma once

#include <fmt/format.h>

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/server/server_client.h"
#include "runtime/task/signal.h"
#include "runtime/tls/csr.h"
#include "runtime/tls/encoding.h"
#include "tests/fakes/signing_authority.h"

namespace steeple::tests {

class FakeServerClient final : public agent::ServerClient {
 public:
  template <class T>
  using Answer = runtime::Task<agent::ServerResult<T>>;

  FakeServerClient(runtime::Loop& loop, const runtime::Clock& clock)
      : authority("example.org"), bundle(authority.bundle()), clock_(clock), lock_(loop) {}

  SigningAuthority authority;
  std::map<std::string, agent::RegistrationEntry> entries;
  agent::Bundle bundle;
  std::map<agent::TrustDomain, agent::Bundle> federated;
  std::chrono::nanoseconds svid_lifetime = std::chrono::hours(1);
  std::function<agent::MintedChain(const agent::CsrItem&, const runtime::Csr&)> mint_instead;
  std::optional<agent::ServerError> fail_entries, fail_bundle, fail_federated, fail_mint;

  struct JwtAsked {
    std::string entry_id;
    std::vector<std::string> audience;
  };
  std::vector<JwtAsked> jwt_asked;
  runtime::Deadline jwt_deadline;
  std::optional<agent::ServerError> fail_jwt;
  std::string jwt_key_id = "key-1";
  agent::SpiffeId jwt_spiffe_id;
  std::chrono::seconds jwt_lifetime{300};
  std::unique_ptr<runtime::Signal> jwt_gate;
  bool jwt_gate_open = false;

  int syncs = 0;
  int statuses_posted = 0;
  std::set<std::string> federated_asked;
  std::vector<std::vector<std::string>> batches;  // entry ids

  void put(agent::RegistrationEntry entry) {
    std::string id = entry.id;
    entries.insert_or_assign(std::move(id), std::move(entry));
  }
  agent::MintedChain sign(const runtime::Csr& csr) const {
    const auto now = clock_.wall_now();
    return runtime::to_bytes(authority
                                 .sign(csr.public_key, csr.uri_sans.at(0), now - std::chrono::seconds(10),
                                       now + std::chrono::duration_cast<runtime::WallTime::duration>(svid_lifetime))
                                 .der());
  }

  Answer<agent::EntryDiff> sync_entries(agent::EntrySet& set, runtime::Deadline, runtime::StopToken) override {
    ++syncs;
    if (fail_entries) co_return *fail_entries;
    agent::EntryUpdate update(set);
    for (const auto& [id, entry] : entries) update.put(entry);
    co_return update.commit();
  }
  Answer<agent::SharedBundle> get_bundle(runtime::Deadline, runtime::StopToken) override {
    if (fail_bundle) co_return *fail_bundle;
    co_return std::make_shared<const agent::Bundle>(bundle);
  }
  Answer<agent::SharedBundle> get_federated_bundle(agent::TrustDomain trust_domain, runtime::Deadline,
                                                   runtime::StopToken) override {
    federated_asked.insert(trust_domain.name());
    if (fail_federated) co_return *fail_federated;
    auto found = federated.find(trust_domain);
    if (found == federated.end()) co_return agent::SharedBundle();
    co_return std::make_shared<const agent::Bundle>(found->second);
  }
  Answer<std::vector<agent::MintedChain>> batch_new_x509_svid(std::vector<agent::CsrItem> items, runtime::Deadline,
                                                              runtime::StopToken) override {
    std::vector<std::string> ids;
    for (const agent::CsrItem& item : items) ids.push_back(item.entry_id);
    batches.push_back(std::move(ids));
    if (fail_mint) co_return *fail_mint;
    std::vector<agent::MintedChain> chains;
    for (const agent::CsrItem& item : items) {
      const runtime::Csr csr = *runtime::parse_csr(item.csr);
      chains.push_back(mint_instead ? mint_instead(item, csr) : sign(csr));
    }
    co_return std::move(chains);
  }
  // A token that says what it was asked for, or what `jwt_instead` gives; it comes when `jwt_gate` opens, if there is
  // one.
  Answer<agent::SharedJwtSvid> new_jwt_svid(std::string entry_id, std::vector<std::string> audience,
                                            runtime::Deadline deadline, runtime::StopToken stop) override {
    jwt_asked.push_back({entry_id, audience});
    jwt_deadline = deadline;
    const std::size_t number = jwt_asked.size();
    if (jwt_gate) {
      while (!jwt_gate_open) {
        runtime::Result<void> waited = co_await jwt_gate->wait(deadline, stop);
        if (!waited) co_return agent::ServerError(std::move(waited.error()));
      }
    }
    if (fail_jwt) co_return *fail_jwt;
    const agent::SpiffeId id = jwt_spiffe_id.empty() ? entries.at(entry_id).spiffe_id : jwt_spiffe_id;
    const auto now = std::chrono::floor<std::chrono::seconds>(clock_.wall_now());
    const std::string header = runtime::base64url_encode(
        runtime::as_bytes(fmt::format(R"({{"alg":"ES256","kid":"{}","typ":"JWT"}})", jwt_key_id)));
    const std::string token =
        fmt::format("{}.{}.{}", header, "e30", runtime::base64url_encode(runtime::as_bytes(std::to_string(number))));
    co_return std::make_shared<const agent::JwtSvid>(id, runtime::SecretBytes(runtime::as_bytes(token)), now,
                                                     now + jwt_lifetime);
  }
  Answer<runtime::Bytes> renew_agent(runtime::Bytes, runtime::Deadline, runtime::StopToken) override {
    co_return runtime::Bytes();
  }
  Answer<void> post_status(std::string, runtime::Deadline, runtime::StopToken) override {
    ++statuses_posted;
    co_return agent::ServerResult<void>();
  }
  agent::RotationLock& rotation_lock() override { return lock_; }
  void drop_channel() override {}

 private:
  const runtime::Clock& clock_;
  agent::RotationLock lock_;
};

}  // namespace steeple::tests
