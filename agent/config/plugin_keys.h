// How a plugin's keys are read and checked, for the files that know a plugin's keys. Internal to agent/config.
#pragma once

#include <functional>
#include <string_view>

#include "agent/config/hcl/object_reader.h"
#include "agent/config/plugin_config.h"

namespace steeple::agent {

// SPIRE's complaint about keys nobody asked for; empty: there are none.
std::string unknown_keys_complaint(hcl::UnknownKeys unknown);

enum class UnknownPluginKeys { kIgnored, kRefused };

struct PluginKeysReader {
  std::string_view decode_prefix;  // how the plugin calls bad data
  std::function<runtime::Result<void>(hcl::ObjectReader&)> read;
  std::function<std::string()> complaint;  // about what was read; empty: none
  UnknownPluginKeys unknown = UnknownPluginKeys::kIgnored;
};

// Reads a plugin's keys from its data or its file, and checks them. Logs and words failures as SPIRE's catalog does.
runtime::Result<void> read_plugin_keys(const PluginConfig& plugin, const runtime::Logger& log,
                                       const PluginKeysReader& reader);

// For a plugin that refuses unknown keys: `Raw` has read(), complain(), and the `keys` that come out.
template <class Raw>
auto read_checked_keys(const PluginConfig& plugin, const runtime::Logger& log) -> runtime::Result<decltype(Raw::keys)> {
  Raw raw;
  STEEPLE_CHECK(
      read_plugin_keys(plugin, log,
                       {"unable to decode configuration", [&](hcl::ObjectReader& reader) { return raw.read(reader); },
                        [&] { return raw.complain(); }, UnknownPluginKeys::kRefused}));
  return std::move(raw.keys);
}

}  // namespace steeple::agent
