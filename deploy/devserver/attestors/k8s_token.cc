#include "deploy/devserver/attestors/k8s_token.h"

#include <fmt/format.h>

#include "attestation/node/k8s_token/messages.h"
#include "deploy/devserver/attestors/service_account.h"
#include "deploy/devserver/ca/profile.h"
#include "deploy/devserver/kube/queries.h"
#include "runtime/core/go_text.h"

namespace steeple::devserver {
namespace {

using attestation::k8s_token::AttestationData;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::go_quote;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

constexpr std::string_view kPodName = "authentication.kubernetes.io/pod-name";
constexpr std::string_view kPodUid = "authentication.kubernetes.io/pod-uid";

Error refused(ErrorCode code, std::string text) { return Error(code, std::move(text)); }

// "system:serviceaccount:NAMESPACE:NAME".
Result<ServiceAccount> account_of(const TokenReview& review) {
  if (review.username.empty()) return refused(ErrorCode::kInternal, "empty username");
  std::vector<std::string> parts(1);
  for (char c : review.username) {
    if (c == ':') {
      parts.emplace_back();
    } else {
      parts.back() += c;
    }
  }
  if (parts.size() != 4) return refused(ErrorCode::kInternal, "unexpected username format: " + review.username);
  if (parts[2].empty()) return refused(ErrorCode::kInternal, "missing namespace");
  if (parts[3].empty()) return refused(ErrorCode::kInternal, "missing service account name");
  return ServiceAccount{std::move(parts[2]), std::move(parts[3])};
}

// The one value of a fact about the pod; `what` as in "missing pod UID", `unit` as in "expected 1 UID".
Result<std::string> pod_fact(const TokenReview& review, std::string_view key, std::string_view what,
                             std::string_view unit) {
  auto found = review.extra.find(key);
  if (found == review.extra.end()) return refused(ErrorCode::kInternal, fmt::format("missing {}", what));
  if (found->second.size() != 1) {
    return refused(ErrorCode::kInternal, fmt::format("expected 1 {} but got: {}", unit, found->second.size()));
  }
  if (found->second.front().empty()) return refused(ErrorCode::kInternal, fmt::format("{} is empty", what));
  return found->second.front();
}

class K8sTokenAttestor : public AgentAttestor {
 public:
  K8sTokenAttestor(std::string_view kind, K8sClusters& clusters) : kind_(kind), clusters_(clusters) {}

  Task<Result<Step>> begin(runtime::BytesView payload, Deadline deadline, StopToken stop) final {
    Result<AttestedAgent> agent = co_await attest(payload, deadline, stop);
    if (!agent) co_return std::move(agent.error()).with_context(fmt::format("nodeattestor({})", kind_));
    co_return Step(std::move(*agent));
  }
  Task<Result<Step>> next(runtime::BytesView, Deadline, StopToken) final {
    co_return Error(ErrorCode::kInternal, fmt::format("{} has no challenges", kind_));
  }

 protected:
  // What either kind goes on with.
  struct Claim {
    std::string cluster;
    K8sCluster& known;
    runtime::SecretBytes token;
    std::string_view text() const { return runtime::as_text(token.view()); }
  };
  Result<Claim> claim_of(runtime::BytesView payload, std::string_view what) const {
    Result<AttestationData> data = attestation::k8s_token::parse_attestation_data(payload);
    auto invalid = [](std::string text) { return refused(ErrorCode::kInvalidArgument, std::move(text)); };
    if (!data) return invalid(fmt::format("failed to unmarshal {}: {}", what, data.error().message()));
    if (data->cluster.empty()) return invalid("missing cluster in attestation data");
    if (data->token.empty()) return invalid("missing token in attestation data");
    auto known = clusters_.find(data->cluster);
    if (known == clusters_.end()) return invalid("not configured for cluster " + go_quote(data->cluster));
    return Claim{data->cluster, known->second, std::move(data->token)};
  }
  void add(std::vector<attestation::Selector>& selectors, std::string_view name, std::string_view value) const {
    selectors.emplace_back(kind_, fmt::format("{}:{}", name, value));
  }
  virtual Task<Result<AttestedAgent>> attest(runtime::BytesView payload, Deadline deadline, StopToken stop) = 0;

  std::string kind_;

 private:
  K8sClusters& clusters_;
};

class K8sSatAttestor final : public K8sTokenAttestor {
 public:
  K8sSatAttestor(K8sClusters& clusters, const runtime::Clock& clock)
      : K8sTokenAttestor("k8s_sat", clusters), clock_(clock) {}

 protected:
  Task<Result<AttestedAgent>> attest(runtime::BytesView payload, Deadline deadline, StopToken stop) override {
    STEEPLE_CO_TRY(claim, claim_of(payload, "attestation data"));
    Result<ServiceAccount> known =
        claim.known.api ? co_await ask(claim, deadline, stop)
                        : verify_service_account_token(claim.text(), claim.known.keys, clock_.wall_now());
    STEEPLE_CO_TRY(account, std::move(known));
    if (!claim.known.config.allowed_accounts.contains(account.full())) {
      co_return refused(ErrorCode::kDenied, go_quote(account.full()) + " is not an allowed service account");
    }
    AttestedAgent agent;
    agent.path = fmt::format("/{}/{}/{}", kind_, claim.cluster, random_uuid());
    std::vector<attestation::Selector> selectors;
    add(selectors, "cluster", claim.cluster);
    add(selectors, "agent_ns", account.name_space);
    add(selectors, "agent_sa", account.name);
    agent.selectors = attestation::Selectors(std::move(selectors));
    co_return agent;
  }

 private:
  // Such a token has no audience of its own.
  Task<Result<ServiceAccount>> ask(const Claim& claim, Deadline deadline, StopToken stop) const {
    Result<TokenReview> review = co_await review_token(*claim.known.api, claim.text(), {}, deadline, stop);
    if (!review) {
      co_return refused(ErrorCode::kInternal,
                        "unable to validate token with TokenReview API: " + review.error().message());
    }
    if (!review->authenticated) {
      co_return refused(ErrorCode::kDenied, "token not authenticated according to TokenReview API");
    }
    co_return runtime::with_context(account_of(*review), "fail to parse username from token review status");
  }

  const runtime::Clock& clock_;
};

class K8sPsatAttestor final : public K8sTokenAttestor {
 public:
  explicit K8sPsatAttestor(K8sClusters& clusters) : K8sTokenAttestor("k8s_psat", clusters) {}

 protected:
  Task<Result<AttestedAgent>> attest(runtime::BytesView payload, Deadline deadline, StopToken stop) override {
    STEEPLE_CO_TRY(claim, claim_of(payload, "data payload"));
    STEEPLE_CO_TRY(facts, co_await review(claim, deadline, stop));
    const std::string where = "for cluster " + go_quote(claim.cluster);
    Result<KubePod> pod = co_await find_pod(*claim.known.api, facts.account.name_space, facts.pod_name, deadline, stop);
    if (!pod) co_return failed("fail to get pod from k8s API server " + where, pod.error());
    if (pod->uid != facts.pod_uid) {
      co_return refused(ErrorCode::kDenied,
                        fmt::format("pod UID mismatch for pod {} in cluster {}: token bound to pod UID {}",
                                    go_quote(facts.pod_name), go_quote(claim.cluster), go_quote(facts.pod_uid)));
    }
    Result<KubeNode> node = co_await find_node(*claim.known.api, pod->node_name, deadline, stop);
    if (!node) co_return failed("fail to get node from k8s API server " + where, node.error());
    if (node->uid.empty()) co_return refused(ErrorCode::kInternal, "node UID is empty " + where);
    co_return describe(claim, facts, *pod, *node);
  }

 private:
  struct Facts {
    ServiceAccount account;
    std::string pod_name;
    std::string pod_uid;
  };

  static Error failed(std::string_view doing, const Error& cause) {
    return refused(ErrorCode::kInternal, fmt::format("{}: {}", doing, cause.message()));
  }

  Task<Result<Facts>> review(const Claim& claim, Deadline deadline, StopToken stop) const {
    const K8sClusterConfig& config = claim.known.config;
    const std::string where = "for cluster " + go_quote(claim.cluster);
    Result<TokenReview> review =
        co_await review_token(*claim.known.api, claim.text(), config.audiences, deadline, stop);
    if (!review) co_return failed("unable to validate token with TokenReview API " + where, review.error());
    if (!review->authenticated) {
      co_return refused(ErrorCode::kDenied, "token not authenticated according to TokenReview API " + where);
    }
    STEEPLE_CO_TRY(account, runtime::with_context(account_of(*review),
                                                  "fail to parse username from token review status " + where));
    if (!config.allowed_accounts.contains(account.full())) {
      co_return refused(ErrorCode::kDenied, go_quote(account.full()) + " is not an allowed service account " + where);
    }
    STEEPLE_CO_TRY(pod_name, runtime::with_context(pod_fact(*review, kPodName, "pod name", "name"),
                                                   "fail to get pod name from token review status " + where));
    STEEPLE_CO_TRY(pod_uid, runtime::with_context(pod_fact(*review, kPodUid, "pod UID", "UID"),
                                                  "fail to get pod UID from token review status " + where));
    co_return Facts{std::move(account), std::move(pod_name), std::move(pod_uid)};
  }

  AttestedAgent describe(const Claim& claim, const Facts& facts, const KubePod& pod, const KubeNode& node) const {
    const K8sClusterConfig& config = claim.known.config;
    std::vector<attestation::Selector> selectors;
    add(selectors, "cluster", claim.cluster);
    add(selectors, "agent_ns", facts.account.name_space);
    add(selectors, "agent_sa", facts.account.name);
    add(selectors, "agent_pod_name", facts.pod_name);
    add(selectors, "agent_pod_uid", facts.pod_uid);
    add(selectors, "agent_node_ip", pod.host_ip);
    add(selectors, "agent_node_name", pod.node_name);
    add(selectors, "agent_node_uid", node.uid);
    for (const auto& [key, value] : node.labels) {
      if (config.allowed_node_labels.contains(key)) add(selectors, "agent_node_label:" + key, value);
    }
    for (const auto& [key, value] : pod.labels) {
      if (config.allowed_pod_labels.contains(key)) add(selectors, "agent_pod_label:" + key, value);
    }
    AttestedAgent agent;
    const std::string own = config.pod_uid_in_id ? "pod/" + facts.pod_uid : node.uid;
    agent.path = fmt::format("/{}/{}/{}", kind_, claim.cluster, own);
    agent.selectors = attestation::Selectors(std::move(selectors));
    agent.can_reattest = true;
    return agent;
  }
};

}  // namespace

std::unique_ptr<AgentAttestor> make_k8s_sat_attestor(K8sClusters& clusters, const runtime::Clock& clock) {
  return std::make_unique<K8sSatAttestor>(clusters, clock);
}

std::unique_ptr<AgentAttestor> make_k8s_psat_attestor(K8sClusters& clusters) {
  return std::make_unique<K8sPsatAttestor>(clusters);
}

}  // namespace steeple::devserver
