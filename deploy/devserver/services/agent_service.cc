// spire.api.server.agent.v1.Agent, all but AttestAgent (attest_agent.cc). Texts: server-sync 8.7.
#include <fmt/format.h>
#include <time.h>

#include "deploy/devserver/services/agent_rpcs.h"
#include "deploy/devserver/services/messages.h"
#include "deploy/devserver/services/rules.h"
#include "runtime/tls/csr.h"
#include "spire/api/server/agent/v1/agent.pb.h"
#include "spire/api/types/entry.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::agent::v1;
namespace types = spire::api::types;
using runtime::Error;
using runtime::Result;
using runtime::grpc::MethodKind;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

constexpr std::size_t kAgentVersionBytesMax = 255;
constexpr std::size_t kTokenBytesMax = 255;

types::Agent agent_message(const AgentRecord& record) {
  types::Agent message;
  if (auto id = agent::SpiffeId::parse(record.spiffe_id)) set_id(*message.mutable_id(), *id);
  message.set_attestation_type(record.attestation_type);
  message.set_x509svid_serial_number(record.serial);
  message.set_x509svid_expires_at(record.expires_at);
  message.set_banned(record.banned());
  message.set_can_reattest(record.can_reattest);
  message.set_agent_version(record.version);
  for (const auto& selector : record.selectors) {
    auto* out = message.add_selectors();
    out->set_type(selector.type());
    out->set_value(selector.value());
  }
  return message;
}

void apply_mask(types::Agent& agent, bool has_mask, const types::AgentMask& mask) {
  if (!has_mask) return;
  if (!mask.attestation_type()) agent.clear_attestation_type();
  if (!mask.x509svid_serial_number()) agent.clear_x509svid_serial_number();
  if (!mask.x509svid_expires_at()) agent.clear_x509svid_expires_at();
  if (!mask.selectors()) agent.clear_selectors();
  if (!mask.banned()) agent.clear_banned();
  if (!mask.can_reattest()) agent.clear_can_reattest();
  if (!mask.agent_version()) agent.clear_agent_version();
}

// "2006-01-02 15:04:05 -0700 -07": the form both ends of the filter have agreed on.
std::optional<std::int64_t> parse_expires_before(const std::string& text) {
  tm parts{};
  const char* rest = strptime(text.c_str(), "%Y-%m-%d %H:%M:%S %z", &parts);
  if (rest == nullptr || *rest != ' ') return std::nullopt;
  long offset = parts.tm_gmtoff;
  return static_cast<std::int64_t>(timegm(&parts)) - offset;
}

struct AgentFilter {
  std::string attestation_type;
  std::optional<attestation::Selectors> selectors;
  int selector_match = 0;
  std::optional<bool> banned;
  std::optional<bool> can_reattest;
  std::optional<std::int64_t> expires_before;

  bool takes(const AgentRecord& agent) const {
    if (!attestation_type.empty() && agent.attestation_type != attestation_type) return false;
    if (banned && agent.banned() != *banned) return false;
    if (can_reattest && agent.can_reattest != *can_reattest) return false;
    if (expires_before && agent.expires_at >= *expires_before) return false;
    return !selectors || selectors_match(agent.selectors, *selectors, selector_match);
  }
};

template <class Filter>
Answer<AgentFilter> parse_filter(const Filter& filter) {
  AgentFilter parsed;
  parsed.attestation_type = filter.by_attestation_type();
  if (filter.has_by_banned()) parsed.banned = filter.by_banned().value();
  if (filter.has_by_can_reattest()) parsed.can_reattest = filter.by_can_reattest().value();
  if (!filter.by_expires_before().empty()) {
    parsed.expires_before = parse_expires_before(filter.by_expires_before());
    if (!parsed.expires_before) return Status(StatusCode::kInvalidArgument, "failed to parse expiry filter");
  }
  if (filter.has_by_selector_match()) {
    auto selectors = selectors_from(filter.by_selector_match().selectors());
    if (!selectors) return status_of(StatusCode::kInvalidArgument, "failed to parse selectors", &selectors.error());
    parsed.selectors = std::move(*selectors);
    parsed.selector_match = filter.by_selector_match().match();
  }
  return parsed;
}

Answer<v1::CountAgentsResponse> count_agents(ServerContext& context, const Caller&,
                                             const v1::CountAgentsRequest& request) {
  auto filter = parse_filter(request.filter());
  if (!filter) return std::move(filter.error());
  v1::CountAgentsResponse response;
  for (const auto& [id, agent] : context.datastore.agents().all()) {
    if (filter->takes(agent)) response.set_count(response.count() + 1);
  }
  return response;
}

Answer<v1::ListAgentsResponse> list_agents(ServerContext& context, const Caller&,
                                           const v1::ListAgentsRequest& request) {
  auto filter = parse_filter(request.filter());
  if (!filter) return std::move(filter.error());
  v1::ListAgentsResponse response;
  const auto& agents = context.datastore.agents().all();
  for (auto next = agents.upper_bound(request.page_token()); next != agents.end(); ++next) {
    if (!filter->takes(next->second)) continue;
    if (request.page_size() > 0 && response.agents_size() == request.page_size()) {
      response.set_next_page_token(id_text(response.agents(response.agents_size() - 1).id()));
      break;
    }
    *response.add_agents() = agent_message(next->second);
  }
  for (auto& agent : *response.mutable_agents()) apply_mask(agent, request.has_output_mask(), request.output_mask());
  return response;
}

// The record of the agent a request names.
template <class Request>
Answer<const AgentRecord*> find_agent(ServerContext& context, const Request& request) {
  auto id = id_in_role(context.settings.trust_domain, request.has_id() ? &request.id() : nullptr, IdRole::kAgent);
  if (!id) return status_of(StatusCode::kInvalidArgument, "invalid agent ID", &id.error());
  const AgentRecord* agent = context.datastore.agents().find(id->text());
  if (agent == nullptr) return Status(StatusCode::kNotFound, "agent not found");
  return agent;
}

Answer<types::Agent> get_agent(ServerContext& context, const Caller&, const v1::GetAgentRequest& request) {
  auto agent = find_agent(context, request);
  if (!agent) return std::move(agent.error());
  types::Agent message = agent_message(**agent);
  apply_mask(message, request.has_output_mask(), request.output_mask());
  return message;
}

// With the record goes the alias entry that `token generate -spiffeID` made (server-sync 8.3).
Answer<google::protobuf::Empty> delete_agent(ServerContext& context, const Caller&,
                                             const v1::DeleteAgentRequest& request) {
  auto agent = find_agent(context, request);
  if (!agent) return std::move(agent.error());
  std::string id = (*agent)->spiffe_id;
  attestation::Selectors alias_selectors({attestation::Selector("spiffe_id", id)});
  std::vector<std::string> aliases;
  for (const auto& [entry_id, entry] : context.datastore.entries().index().all()) {
    if (id_text(entry->parent_id()) == id && selectors_of(*entry) == alias_selectors) aliases.push_back(entry_id);
  }
  auto written = context.datastore.write([&]() -> Result<void> {
    for (const std::string& alias : aliases) STEEPLE_CHECK(context.datastore.entries().erase(alias));
    return context.datastore.agents().erase(id);
  });
  if (!written) return status_of(StatusCode::kInternal, "failed to remove agent", &written.error());
  context.log.info("Agent deleted", {{"spiffe_id", id}});
  return google::protobuf::Empty();
}

Answer<google::protobuf::Empty> ban_agent(ServerContext& context, const Caller&, const v1::BanAgentRequest& request) {
  auto found = find_agent(context, request);
  if (!found) return std::move(found.error());
  AgentRecord agent = **found;
  agent.serial.clear();
  agent.pending_serial.clear();
  auto written = context.datastore.write([&] { return context.datastore.agents().put(agent); });
  if (!written) return status_of(StatusCode::kInternal, "failed to ban agent", &written.error());
  context.log.info("Agent banned", {{"spiffe_id", agent.spiffe_id}});
  return google::protobuf::Empty();
}

Answer<v1::RenewAgentResponse> renew_agent(ServerContext& context, const Caller& caller,
                                           const v1::RenewAgentRequest& request) {
  const AgentRecord* known = context.datastore.agents().find(caller.spiffe_id);
  auto id = agent::SpiffeId::parse(caller.spiffe_id);
  if (known == nullptr || !id) return Status(StatusCode::kNotFound, "agent not found");
  if (known->can_reattest || context.settings.faults.agents_must_reattest) {
    return permission_denied("agent must reattest instead of renew", DeniedReason::kAgentMustReattest);
  }
  if (!request.has_params()) return Status(StatusCode::kInvalidArgument, "params cannot be nil");
  if (request.params().csr().empty()) return Status(StatusCode::kInvalidArgument, "missing CSR");
  auto svid = sign_agent_svid(context, caller.spiffe_id, request.params().csr());
  if (!svid) return std::move(svid.error());
  AgentRecord agent = *known;
  agent.pending_serial = svid->serial_decimal();
  agent.pending_expires_at = unix_seconds(svid->not_after());
  auto written = context.datastore.write([&] { return context.datastore.agents().put(agent); });
  if (!written) return status_of(StatusCode::kInternal, "failed to update agent", &written.error());
  v1::RenewAgentResponse response;
  set_svid(*response.mutable_svid(), *id, *svid);
  context.log.info("Agent SVID renewed", {{"spiffe_id", agent.spiffe_id}});
  return response;
}

Answer<v1::PostStatusResponse> post_status(ServerContext& context, const Caller& caller,
                                           const v1::PostStatusRequest& request) {
  const std::string& version = request.agent_version();
  if (version.size() > kAgentVersionBytesMax) {
    return Status(StatusCode::kInvalidArgument, "agent version is too long (max 255 characters)");
  }
  const AgentRecord* known = context.datastore.agents().find(caller.spiffe_id);
  if (known == nullptr) return Status(StatusCode::kNotFound, "agent not found");
  if (version.empty() || version == known->version) return v1::PostStatusResponse();
  AgentRecord agent = *known;
  agent.version = version;
  auto written = context.datastore.write([&] { return context.datastore.agents().put(agent); });
  if (!written) return status_of(StatusCode::kInternal, "failed to update agent", &written.error());
  return v1::PostStatusResponse();
}

// The ordinary entry by which a token's owner gets a further ID (server-sync 7.6).
types::Entry alias_entry(const agent::SpiffeId& alias, const agent::SpiffeId& token_id, std::int64_t now) {
  types::Entry entry;
  entry.set_id(random_uuid());
  set_id(*entry.mutable_parent_id(), token_id);
  set_id(*entry.mutable_spiffe_id(), alias);
  auto* selector = entry.add_selectors();
  selector->set_type("spiffe_id");
  selector->set_value(token_id.text());
  entry.set_created_at(now);
  return entry;
}

Answer<types::JoinToken> create_join_token(ServerContext& context, const Caller&,
                                           const v1::CreateJoinTokenRequest& request) {
  if (request.ttl() < 1) return Status(StatusCode::kInvalidArgument, "ttl is required, you must provide one");
  std::optional<agent::SpiffeId> alias;
  if (request.has_agent_id()) {
    auto id = id_in_role(context.settings.trust_domain, &request.agent_id(), IdRole::kWorkload);
    if (!id) return status_of(StatusCode::kInvalidArgument, "invalid agent ID", &id.error());
    alias = std::move(*id);
  }
  types::JoinToken token;
  token.set_value(request.token().empty() ? random_uuid() : request.token());
  token.set_expires_at(context.now() + request.ttl());
  auto token_id = agent::SpiffeId::make(context.settings.trust_domain, "/spire/agent/join_token/" + token.value());
  if (!token_id) return status_of(StatusCode::kInvalidArgument, "failed to create join token ID", &token_id.error());
  if (token.value().size() > kTokenBytesMax) return Status(StatusCode::kInvalidArgument, "token is too long");
  auto written = context.datastore.write([&]() -> Result<void> {
    STEEPLE_CHECK(context.datastore.join_tokens().prune(context.now() - 24 * 3600));
    STEEPLE_CHECK(context.datastore.join_tokens().add(token.value(), token.expires_at()));
    if (!alias) return {};
    return context.datastore.entries().put(
        std::make_shared<types::Entry>(alias_entry(*alias, *token_id, context.now())));
  });
  if (!written) return status_of(StatusCode::kInternal, "failed to create token", &written.error());
  return token;
}

#define STEEPLE_AGENT_RPC(name) "/spire.api.server.agent.v1.Agent/" name
constexpr Rpc kRpcs[] = {
    {STEEPLE_AGENT_RPC("CountAgents"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::CountAgentsRequest, count_agents>},
    {STEEPLE_AGENT_RPC("ListAgents"), MethodKind::kUnary, kLocal | kAdmin, &unary<v1::ListAgentsRequest, list_agents>},
    {STEEPLE_AGENT_RPC("GetAgent"), MethodKind::kUnary, kLocal | kAdmin, &unary<v1::GetAgentRequest, get_agent>},
    {STEEPLE_AGENT_RPC("DeleteAgent"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::DeleteAgentRequest, delete_agent>},
    {STEEPLE_AGENT_RPC("BanAgent"), MethodKind::kUnary, kLocal | kAdmin, &unary<v1::BanAgentRequest, ban_agent>},
    {STEEPLE_AGENT_RPC("AttestAgent"), MethodKind::kBidirectional, kAnyone, &attest_agent},
    {STEEPLE_AGENT_RPC("RenewAgent"), MethodKind::kUnary, kAgent, &unary<v1::RenewAgentRequest, renew_agent>},
    {STEEPLE_AGENT_RPC("CreateJoinToken"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::CreateJoinTokenRequest, create_join_token>},
    {STEEPLE_AGENT_RPC("PostStatus"), MethodKind::kUnary, kAgent, &unary<v1::PostStatusRequest, post_status>},
};

}  // namespace

Answer<runtime::Certificate> sign_agent_svid(ServerContext& context, const std::string& id, const std::string& csr) {
  auto parsed = runtime::parse_csr(runtime::as_bytes(csr));
  if (!parsed) return status_of(StatusCode::kInvalidArgument, "failed to parse CSR", &parsed.error());
  SvidRequest request;
  request.spiffe_id = id;
  request.public_key = std::move(parsed->public_key);
  request.ttl = context.settings.agent_ttl;
  auto svid = sign_svid(context.authorities.x509(), request, context.clock.wall_now());
  if (!svid) return status_of(StatusCode::kInternal, "failed to sign X509 SVID", &svid.error());
  return std::move(*svid);
}

void set_svid(types::X509SVID& out, const agent::SpiffeId& id, const runtime::Certificate& svid) {
  set_id(*out.mutable_id(), id);
  out.add_cert_chain(std::string(runtime::as_text(svid.der())));
  out.set_expires_at(unix_seconds(svid.not_after()));
}

void add_agent_service(RpcTable& table) { table.add(kRpcs); }

}  // namespace steeple::devserver
