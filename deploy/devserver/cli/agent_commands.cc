// agent list, show, evict, ban, count.
#include <fmt/format.h>
#include <time.h>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/entry_text.h"
#include "deploy/devserver/cli/server_client.h"
#include "deploy/devserver/datastore/entry_index.h"
#include "spire/api/server/agent/v1/agent.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::agent::v1;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Agent;

constexpr int kListPageSize = 1000;

#define STEEPLE_AGENT_RPC(name) "/spire.api.server.agent.v1.Agent/" name

// In the local time zone, as Go prints a time: "2026-01-02 03:04:05 +0000 UTC".
std::string local_time(std::int64_t seconds) {
  time_t time = static_cast<time_t>(seconds);
  tm parts{};
  char text[64];
  localtime_r(&time, &parts);
  return std::string(text, strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S %z %Z", &parts));
}

std::string format_agent(const Agent& agent) {
  std::string text = fmt::format("SPIFFE ID         : {}\n", id_text(agent.id()));
  text += fmt::format("Attestation type  : {}\n", agent.attestation_type());
  text += fmt::format("Expiration time   : {}\n", local_time(agent.x509svid_expires_at()));
  text += agent.banned() ? "Banned            : true\n"
                         : fmt::format("Serial number     : {}\n", agent.x509svid_serial_number());
  text += fmt::format("Can re-attest     : {}\n", agent.can_reattest());
  if (!agent.agent_version().empty()) text += fmt::format("Agent version     : {}\n", agent.agent_version());
  return text + "\n";
}

struct FilterFlags {
  std::vector<std::string> selectors;
  std::string match_selectors = "superset";
  std::string banned;
  std::string can_reattest;
  std::string attestation_type;
  std::string expires_before;

  void add_to(agent::FlagSet& flags);
  template <class Filter>
  Result<void> fill(Filter& filter) const;
};

void FilterFlags::add_to(agent::FlagSet& flags) {
  add_list_flag(flags, "selector", selectors, "A type:value selector. Can be used more than once");
  flags.add("matchSelectorsOn", match_selectors, "How -selector matches: exact, any, superset or subset");
  flags.add("banned", banned, "'true': banned agents, 'false': the others, anything else: all");
  flags.add("canReattest", can_reattest, "'true': agents that can re-attest, 'false': the others, anything else: all");
  flags.add("attestationType", attestation_type, "Filter by attestation type, like join_token or x509pop.");
  flags.add("expiresBefore", expires_before, "Filter by expiration time (format: \"2006-01-02 15:04:05 -0700 -07\")");
}

template <class Filter>
Result<void> FilterFlags::fill(Filter& filter) const {
  if (!selectors.empty()) {
    STEEPLE_TRY(match, parse_match(match_selectors));
    auto& wanted = *filter.mutable_by_selector_match();
    wanted.set_match(static_cast<spire::api::types::SelectorMatch::MatchBehavior>(match));
    for (const std::string& selector : selectors) STEEPLE_CHECK(parse_selector(selector, *wanted.add_selectors()));
  }
  if (banned == "true" || banned == "false") filter.mutable_by_banned()->set_value(banned == "true");
  if (can_reattest == "true" || can_reattest == "false") {
    filter.mutable_by_can_reattest()->set_value(can_reattest == "true");
  }
  filter.set_by_attestation_type(attestation_type);
  filter.set_by_expires_before(expires_before);
  return {};
}

// `agent show|evict|ban`: one agent by its SPIFFE ID.
template <class Request, class Response>
int run_on_one(const std::string& name, std::string_view method, std::string_view what, const Words& arguments,
               Terminal& terminal, void (*print)(const Response&, Terminal&)) {
  ClientCommand command(name);
  std::string spiffe_id;
  command.flags().add("spiffeID", spiffe_id, fmt::format("The SPIFFE ID of the agent to {} (agent identity)", what));
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (spiffe_id.empty()) return Error(ErrorCode::kInvalidArgument, "a SPIFFE ID is required");
    Request request;
    STEEPLE_CHECK(parse_id(spiffe_id, *request.mutable_id()));
    STEEPLE_TRY(response, call<Response>(socket, method, request));
    print(response, terminal);
    return {};
  });
}

}  // namespace

int run_agent_list(const Words& arguments, Terminal& terminal) {
  ClientCommand command("agent list");
  FilterFlags flags;
  flags.add_to(command.flags());
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    std::vector<Agent> agents;
    v1::ListAgentsRequest request;
    request.set_page_size(kListPageSize);
    STEEPLE_CHECK(flags.fill(*request.mutable_filter()));
    do {
      STEEPLE_TRY(page, call<v1::ListAgentsResponse>(socket, STEEPLE_AGENT_RPC("ListAgents"), request));
      agents.insert(agents.end(), page.agents().begin(), page.agents().end());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    if (agents.empty()) {
      terminal.out("No attested agents found\n");
      return {};
    }
    terminal.out(fmt::format("Found {} attested {}:\n\n", agents.size(), agents.size() == 1 ? "agent" : "agents"));
    for (const Agent& agent : agents) terminal.out(format_agent(agent));
    return {};
  });
}

int run_agent_count(const Words& arguments, Terminal& terminal) {
  ClientCommand command("agent count");
  FilterFlags flags;
  flags.add_to(command.flags());
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    v1::CountAgentsRequest request;
    STEEPLE_CHECK(flags.fill(*request.mutable_filter()));
    STEEPLE_TRY(response, call<v1::CountAgentsResponse>(socket, STEEPLE_AGENT_RPC("CountAgents"), request));
    terminal.out(fmt::format("{} attested {}\n", response.count(), response.count() == 1 ? "agent" : "agents"));
    return {};
  });
}

int run_agent_show(const Words& arguments, Terminal& terminal) {
  return run_on_one<v1::GetAgentRequest, Agent>(
      "agent show", STEEPLE_AGENT_RPC("GetAgent"), "show", arguments, terminal, [](const Agent& agent, Terminal& to) {
        to.out("Found an attested agent given its SPIFFE ID\n\n" + format_agent(agent));
        for (const auto& selector : agent.selectors()) {
          to.out(fmt::format("Selectors         : {}:{}\n", selector.type(), selector.value()));
        }
      });
}

int run_agent_evict(const Words& arguments, Terminal& terminal) {
  return run_on_one<v1::DeleteAgentRequest, google::protobuf::Empty>(
      "agent evict", STEEPLE_AGENT_RPC("DeleteAgent"), "evict", arguments, terminal,
      [](const google::protobuf::Empty&, Terminal& to) { to.out("Agent evicted successfully\n"); });
}

int run_agent_ban(const Words& arguments, Terminal& terminal) {
  return run_on_one<v1::BanAgentRequest, google::protobuf::Empty>(
      "agent ban", STEEPLE_AGENT_RPC("BanAgent"), "ban", arguments, terminal,
      [](const google::protobuf::Empty&, Terminal& to) { to.out("Agent banned successfully\n"); });
}

}  // namespace steeple::devserver
