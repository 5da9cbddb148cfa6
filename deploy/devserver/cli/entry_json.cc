#include "deploy/devserver/cli/entry_json.h"

#include <fmt/format.h>

#include "agent/spiffe/trust_domain.h"
#include "deploy/devserver/cli/entry_text.h"
#include "deploy/devserver/cli/json_input.h"
#include "spire/api/types/entry.pb.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Entry;
namespace dom = simdjson::dom;

Result<void> read_selector(const dom::element& value, Entry& entry) {
  auto& selector = *entry.add_selectors();
  return for_members("selector", value, [&](std::string_view key, const dom::element& member) -> Result<bool> {
    STEEPLE_TRY(text, get_text(key, member));
    if (key == "type") selector.set_type(text);
    if (key == "value") selector.set_value(text);
    return key == "type" || key == "value";
  });
}

Result<void> read_attributes(const dom::element& value, Entry& entry) {
  auto& attributes = *entry.mutable_additional_attributes();
  return for_members("additional_attributes", value,
                     [&](std::string_view key, const dom::element& member) -> Result<bool> {
                       STEEPLE_TRY(flag, get<bool>(key, member));
                       if (key == "disable_x509_svid_prefetch") attributes.set_disable_x509_svid_prefetch(flag);
                       if (key == "jwt_svid_include_jti") attributes.set_jwt_svid_include_jti(flag);
                       return key == "disable_x509_svid_prefetch" || key == "jwt_svid_include_jti";
                     });
}

Result<void> read_id(std::string_view what, const dom::element& value, spire::api::types::SPIFFEID& out) {
  STEEPLE_TRY(text, get_text(what, value));
  return runtime::with_context(parse_id(text, out), fmt::format("invalid {}", what));
}

Result<bool> read_text_key(std::string_view key, const dom::element& value, Entry& entry) {
  if (key == "spiffe_id") {
    STEEPLE_CHECK(read_id("SPIFFE ID", value, *entry.mutable_spiffe_id()));
  } else if (key == "parent_id") {
    STEEPLE_CHECK(read_id("parent ID", value, *entry.mutable_parent_id()));
  } else if (key == "entry_id") {
    STEEPLE_TRY(text, get_text(key, value));
    entry.set_id(text);
  } else if (key == "hint") {
    STEEPLE_TRY(text, get_text(key, value));
    entry.set_hint(text);
  } else {
    return false;
  }
  return true;
}

Result<bool> read_number_key(std::string_view key, const dom::element& value, Entry& entry) {
  bool known = key == "x509_svid_ttl" || key == "jwt_svid_ttl" || key == "entryExpiry" || key == "revision_number" ||
               key == "created_at";
  if (!known) return false;
  STEEPLE_TRY(number, get<std::int64_t>(key, value));
  if (key == "entryExpiry") entry.set_expires_at(number);
  if (key == "revision_number") entry.set_revision_number(number);
  if (key == "created_at") entry.set_created_at(number);
  if (key == "x509_svid_ttl") {
    STEEPLE_TRY(ttl, narrow(number, key));
    entry.set_x509_svid_ttl(ttl);
  }
  if (key == "jwt_svid_ttl") {
    STEEPLE_TRY(ttl, narrow(number, key));
    entry.set_jwt_svid_ttl(ttl);
  }
  return true;
}

Result<bool> read_flag_key(std::string_view key, const dom::element& value, Entry& entry) {
  if (key != "admin" && key != "downstream" && key != "store_svid") return false;
  STEEPLE_TRY(flag, get<bool>(key, value));
  if (key == "admin") entry.set_admin(flag);
  if (key == "downstream") entry.set_downstream(flag);
  if (key == "store_svid") entry.set_store_svid(flag);
  return true;
}

Result<bool> read_list_key(std::string_view key, const dom::element& value, Entry& entry) {
  if (key == "selectors") {
    STEEPLE_CHECK(for_each(key, value, [&](const dom::element& element) { return read_selector(element, entry); }));
  } else if (key == "federates_with") {
    STEEPLE_CHECK(for_each(key, value, [&](const dom::element& element) -> Result<void> {
      STEEPLE_TRY(text, get_text(key, element));
      STEEPLE_TRY(name, runtime::with_context(agent::TrustDomain::parse(text), "invalid federated trust domain"));
      entry.add_federates_with(name.name());
      return {};
    }));
  } else if (key == "dns_names") {
    STEEPLE_CHECK(for_each(key, value, [&](const dom::element& element) -> Result<void> {
      STEEPLE_TRY(text, get_text(key, element));
      entry.add_dns_names(text);
      return {};
    }));
  } else if (key == "additional_attributes") {
    if (!value.is_null()) STEEPLE_CHECK(read_attributes(value, entry));
  } else {
    return false;
  }
  return true;
}

Result<void> read_entry(const dom::element& value, Entry& entry) {
  STEEPLE_CHECK(for_members("entry", value, [&](std::string_view key, const dom::element& member) -> Result<bool> {
    for (auto read : {read_text_key, read_number_key, read_flag_key, read_list_key}) {
      STEEPLE_TRY(known, read(key, member, entry));
      if (known) return true;
    }
    return false;
  }));
  if (!entry.has_spiffe_id()) return malformed("entry: missing spiffe_id");
  if (!entry.has_parent_id()) return malformed("entry: missing parent_id");
  return {};
}

}  // namespace

Result<std::vector<Entry>> parse_entries(std::string_view json) {
  std::vector<Entry> entries;
  STEEPLE_CHECK(with_document(json, [&](const dom::element& root) {
    return for_members(
        "registration entries", root, [&](std::string_view key, const dom::element& value) -> Result<bool> {
          if (key != "entries") return false;
          STEEPLE_CHECK(for_each(
              key, value, [&](const dom::element& element) { return read_entry(element, entries.emplace_back()); }));
          return true;
        });
  }));
  return entries;
}

Result<std::vector<std::string>> parse_entry_ids(std::string_view json) {
  std::vector<std::string> ids;
  STEEPLE_CHECK(with_document(json, [&](const dom::element& root) {
    return for_members("entry ids", root, [&](std::string_view key, const dom::element& value) -> Result<bool> {
      if (key != "ids") return false;
      STEEPLE_CHECK(for_each(key, value, [&](const dom::element& element) -> Result<void> {
        STEEPLE_TRY(id, get_text(key, element));
        ids.push_back(std::move(id));
        return {};
      }));
      return true;
    });
  }));
  return ids;
}

}  // namespace steeple::devserver
