#include "deploy/devserver/cli/entry_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "agent/spiffe/spiffe_id.h"
#include "deploy/devserver/datastore/entry_index.h"
#include "deploy/devserver/services/rules.h"
#include "runtime/core/go_text.h"
#include "spire/api/types/entry.pb.h"
#include "spire/api/types/selector.pb.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Entry;

std::string line(std::string_view label, std::string_view value) { return fmt::format("{:<24}: {}\n", label, value); }

std::string ttl_text(int ttl) { return ttl == 0 ? "default" : std::to_string(ttl); }

}  // namespace

Result<void> parse_id(const std::string& text, spire::api::types::SPIFFEID& out) {
  STEEPLE_TRY(id, agent::SpiffeId::parse(text));
  set_id(out, id);
  return {};
}

Result<void> parse_selector(const std::string& text, spire::api::types::Selector& out) {
  std::size_t colon = text.find(':');
  if (colon == std::string::npos) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("selector \"{}\" must be formatted as type:value", text));
  }
  out.set_type(text.substr(0, colon));
  out.set_value(text.substr(colon + 1));
  return {};
}

Result<std::int32_t> narrow(std::int64_t number, std::string_view name) {
  using Limits = std::numeric_limits<std::int32_t>;
  if (number < Limits::min() || number > Limits::max()) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("invalid value for {}: overflow converting {} to int32", name, number));
  }
  return static_cast<std::int32_t>(number);
}

Result<int> parse_match(const std::string& text) {
  using Match = spire::api::types::SelectorMatch;
  if (text == "exact") return static_cast<int>(Match::MATCH_EXACT);
  if (text == "any") return static_cast<int>(Match::MATCH_ANY);
  if (text == "superset") return static_cast<int>(Match::MATCH_SUPERSET);
  if (text == "subset") return static_cast<int>(Match::MATCH_SUBSET);
  return Error(ErrorCode::kInvalidArgument, fmt::format("match behavior {} unknown", runtime::go_quote(text)));
}

std::string format_entry(const Entry& entry) {
  std::string text = line("Entry ID", entry.id().empty() ? "(none)" : entry.id());
  text += line("SPIFFE ID", entry.has_spiffe_id() ? id_text(entry.spiffe_id()) : "");
  text += line("Parent ID", entry.has_parent_id() ? id_text(entry.parent_id()) : "");
  text += line("Revision", std::to_string(entry.revision_number()));
  if (entry.downstream()) text += line("Downstream", "true");
  text += line("X509-SVID TTL", ttl_text(entry.x509_svid_ttl()));
  text += line("JWT-SVID TTL", ttl_text(entry.jwt_svid_ttl()));
  if (entry.expires_at() != 0) {
    text += line("Expiration time", runtime::go_time(runtime::WallTime(std::chrono::seconds(entry.expires_at()))));
  }
  for (const auto& selector : entry.selectors()) text += line("Selector", selector.type() + ":" + selector.value());
  for (const std::string& name : entry.federates_with()) text += line("FederatesWith", name);
  for (const std::string& name : entry.dns_names()) text += line("DNS name", name);
  if (entry.admin()) text += line("Admin", "true");
  if (entry.store_svid()) text += line("StoreSvid", "true");
  if (!entry.hint().empty()) text += line("Hint", entry.hint());
  if (entry.additional_attributes().disable_x509_svid_prefetch()) text += line("DisableX509SvidPrefetch", "true");
  if (entry.additional_attributes().jwt_svid_include_jti()) text += line("JwtSvidIncludeJti", "true");
  return text + "\n";
}

void sort_entries(std::vector<Entry>& entries) {
  auto selector_less = [](const auto& a, const auto& b) {
    return std::tie(a.type(), a.value()) < std::tie(b.type(), b.value());
  };
  for (Entry& entry : entries) {
    std::sort(entry.mutable_selectors()->begin(), entry.mutable_selectors()->end(), selector_less);
  }
  auto key = [](const Entry& entry) {
    std::vector<std::string> selectors;
    for (const auto& selector : entry.selectors()) selectors.push_back(selector.type() + '\0' + selector.value());
    return std::tuple(id_text(entry.spiffe_id()), id_text(entry.parent_id()), entry.x509_svid_ttl(),
                      entry.jwt_svid_ttl(), entry.selectors_size(), std::move(selectors), entry.id());
  };
  std::sort(entries.begin(), entries.end(), [&](const Entry& a, const Entry& b) { return key(a) < key(b); });
}

}  // namespace steeple::devserver
