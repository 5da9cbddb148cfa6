// The one list of keys: for each section its keys in SPIRE's order (the first wrong one is what the user sees), each
// with its type (that of the field it fills), default, and the SPIRE release that brought it. To add a key: a field in
// sections.h, a row in schema.cc, and its use. What this version does not do yet is in refused.cc, and nowhere else.
// Source: config-cli 2.2, 3.1 to 3.4.
#pragma once

#include <span>
#include <string_view>
#include <variant>

#include "agent/config/sections.h"

namespace steeple::agent {

template <class Section>
struct Key {
  using Field = std::variant<std::string Section::*, std::int64_t Section::*, bool Section::*,
                             std::optional<std::int64_t> Section::*, std::optional<bool> Section::*,
                             std::vector<std::string> Section::*>;
  std::string_view name;
  Field field;
  std::string_view since = "1.5.0";     // or older
  std::string_view default_value = "";  // of a text key; others default to 0, false, none
};

template <class Section>
std::span<const Key<Section>> keys_of();
template <>
std::span<const Key<AgentSection>> keys_of<AgentSection>();
template <>
std::span<const Key<SdsSection>> keys_of<SdsSection>();
template <>
std::span<const Key<ExperimentalSection>> keys_of<ExperimentalSection>();
template <>
std::span<const Key<RateLimitSection>> keys_of<RateLimitSection>();
template <>
std::span<const Key<BrokerSection>> keys_of<BrokerSection>();
template <>
std::span<const Key<BrokerEntry>> keys_of<BrokerEntry>();
template <>
std::span<const Key<BrokerReferenceType>> keys_of<BrokerReferenceType>();
template <>
std::span<const Key<PrometheusSection>> keys_of<PrometheusSection>();
template <>
std::span<const Key<PrometheusTlsSection>> keys_of<PrometheusTlsSection>();
template <>
std::span<const Key<AddressSection>> keys_of<AddressSection>();
template <>
std::span<const Key<InMemSection>> keys_of<InMemSection>();
template <>
std::span<const Key<TelemetrySection>> keys_of<TelemetrySection>();
template <>
std::span<const Key<HealthChecksSection>> keys_of<HealthChecksSection>();

// Fills a section's listed keys from its block.
template <class Section>
runtime::Result<void> read_keys(hcl::ObjectReader& reader, Section& section) {
  for (const Key<Section>& key : keys_of<Section>()) {
    runtime::Result<void> read =
        std::visit([&](auto field) { return reader.read(key.name, section.*field); }, key.field);
    if (!read) return read;
  }
  return {};
}

// Takes each value that `section` does not have (its zero value) from `other`: flags over file.
template <class Section>
void fill_unset_from(Section& section, const Section& other) {
  for (const Key<Section>& key : keys_of<Section>()) {
    std::visit(
        [&](auto field) {
          using Value = std::remove_cvref_t<decltype(section.*field)>;
          if (section.*field == Value{}) section.*field = other.*field;
        },
        key.field);
  }
}

// Gives unset text keys their defaults.
template <class Section>
void fill_defaults(Section& section) {
  for (const Key<Section>& key : keys_of<Section>()) {
    if (auto* field = std::get_if<std::string Section::*>(&key.field); field && (section.**field).empty()) {
      section.** field = key.default_value;
    }
  }
}

inline constexpr std::string_view kDefaultConfigPath = "conf/agent/agent.conf";
inline constexpr std::string_view kDefaultSocketPath = "/tmp/spire-agent/public/api.sock";

}  // namespace steeple::agent
