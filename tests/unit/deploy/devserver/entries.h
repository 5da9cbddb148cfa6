// Entries for tests, all of trust domain example.org.
#pragma once

#include <memory>
#include <string>

#include "spire/api/types/entry.pb.h"

inline spire::api::types::Entry make_entry(const std::string& id, const std::string& parent_path,
                                           const std::string& path, const std::string& selector_value) {
  spire::api::types::Entry entry;
  entry.set_id(id);
  entry.mutable_parent_id()->set_trust_domain("example.org");
  entry.mutable_parent_id()->set_path(parent_path);
  entry.mutable_spiffe_id()->set_trust_domain("example.org");
  entry.mutable_spiffe_id()->set_path(path);
  auto* selector = entry.add_selectors();
  selector->set_type("unix");
  selector->set_value(selector_value);
  return entry;
}

inline std::shared_ptr<const spire::api::types::Entry> share(spire::api::types::Entry entry) {
  return std::make_shared<const spire::api::types::Entry>(std::move(entry));
}
