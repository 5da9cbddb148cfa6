// Registration entries in one line, for tests.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "agent/entry/entry_diff.h"
#include "agent/entry/registration_entry.h"

namespace steeple::tests {

// "unix:uid:1" -> type unix, value uid:1.
inline attestation::Selectors selectors_of(std::initializer_list<std::string> texts) {
  std::vector<attestation::Selector> selectors;
  for (const std::string& text : texts) {
    const std::size_t colon = text.find(':');
    selectors.emplace_back(text.substr(0, colon), text.substr(colon + 1));
  }
  return attestation::Selectors(std::move(selectors));
}

inline agent::RegistrationEntry make_entry(std::string id, const std::string& path,
                                           std::initializer_list<std::string> selectors) {
  return agent::RegistrationEntry(std::move(id), *agent::SpiffeId::parse("spiffe://example.org" + path),
                                  selectors_of(selectors));
}

inline agent::SharedEntry shared(agent::RegistrationEntry entry) {
  return std::make_shared<const agent::RegistrationEntry>(std::move(entry));
}

inline agent::TrustDomain trust_domain(const std::string& name) { return *agent::TrustDomain::parse(name); }

inline agent::EntryDiff created(std::vector<agent::SharedEntry> entries) {
  agent::EntryDiff diff;
  diff.created = std::move(entries);
  return diff;
}
inline agent::EntryDiff updated(agent::SharedEntry before, agent::SharedEntry after) {
  agent::EntryDiff diff;
  diff.updated.emplace_back(std::move(before), std::move(after));
  return diff;
}
inline agent::EntryDiff removed(agent::SharedEntry entry) {
  agent::EntryDiff diff;
  diff.removed.push_back(std::move(entry));
  return diff;
}

}  // namespace steeple::tests
