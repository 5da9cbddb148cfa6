#include <utility>

#include "deploy/devserver/datastore/stores.h"

namespace steeple::devserver {

using runtime::Result;

Result<void> AgentStore::load() {
  agents_.clear();
  STEEPLE_TRY(rows, database_.prepare("SELECT spiffe_id, attestation_type, serial, expires_at, pending_serial, "
                                      "pending_expires_at, can_reattest, version FROM agents"));
  while (true) {
    STEEPLE_TRY(row, rows.step());
    if (!row) break;
    AgentRecord agent;
    agent.spiffe_id = rows.text(0);
    agent.attestation_type = rows.text(1);
    agent.serial = rows.text(2);
    agent.expires_at = rows.number(3);
    agent.pending_serial = rows.text(4);
    agent.pending_expires_at = rows.number(5);
    agent.can_reattest = rows.number(6) != 0;
    agent.version = rows.text(7);
    std::string id = agent.spiffe_id;
    agents_.insert_or_assign(std::move(id), std::move(agent));
  }
  return load_selectors();
}

Result<void> AgentStore::load_selectors() {
  std::map<std::string, std::vector<attestation::Selector>> selectors;
  STEEPLE_TRY(rows, database_.prepare("SELECT spiffe_id, type, value FROM agent_selectors"));
  while (true) {
    STEEPLE_TRY(row, rows.step());
    if (!row) break;
    selectors[rows.text(0)].emplace_back(rows.text(1), rows.text(2));
  }
  for (auto& [id, items] : selectors) {
    auto agent = agents_.find(id);
    if (agent != agents_.end()) agent->second.selectors = attestation::Selectors(std::move(items));
  }
  return {};
}

const AgentRecord* AgentStore::find(const std::string& spiffe_id) const {
  auto found = agents_.find(spiffe_id);
  return found == agents_.end() ? nullptr : &found->second;
}

Result<void> AgentStore::put(AgentRecord agent) {
  STEEPLE_TRY(insert,
              database_.prepare("INSERT OR REPLACE INTO agents (spiffe_id, attestation_type, serial, expires_at, "
                                "pending_serial, pending_expires_at, can_reattest, version) VALUES (?,?,?,?,?,?,?,?)"));
  insert.bind(1, agent.spiffe_id).bind(2, agent.attestation_type).bind(3, agent.serial).bind(4, agent.expires_at);
  insert.bind(5, agent.pending_serial).bind(6, agent.pending_expires_at).bind(7, std::int64_t{agent.can_reattest});
  STEEPLE_CHECK(insert.bind(8, agent.version).run());

  STEEPLE_TRY(remove, database_.prepare("DELETE FROM agent_selectors WHERE spiffe_id=?"));
  STEEPLE_CHECK(remove.bind(1, agent.spiffe_id).run());
  for (const attestation::Selector& selector : agent.selectors) {
    STEEPLE_TRY(add, database_.prepare("INSERT INTO agent_selectors (spiffe_id, type, value) VALUES (?,?,?)"));
    STEEPLE_CHECK(add.bind(1, agent.spiffe_id).bind(2, selector.type()).bind(3, selector.value()).run());
  }
  std::string id = agent.spiffe_id;
  agents_.insert_or_assign(std::move(id), std::move(agent));
  return {};
}

Result<void> AgentStore::erase(std::string spiffe_id) {
  STEEPLE_TRY(remove, database_.prepare("DELETE FROM agents WHERE spiffe_id=?"));
  STEEPLE_CHECK(remove.bind(1, spiffe_id).run());
  STEEPLE_TRY(remove_selectors, database_.prepare("DELETE FROM agent_selectors WHERE spiffe_id=?"));
  STEEPLE_CHECK(remove_selectors.bind(1, spiffe_id).run());
  agents_.erase(spiffe_id);
  return {};
}

}  // namespace steeple::devserver
