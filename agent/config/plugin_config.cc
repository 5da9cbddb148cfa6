// From the `plugins` block to a list of plugins.
#include "agent/config/plugin_config.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/config/hcl/parser.h"
#include "agent/config/hcl/printer.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"

namespace steeple::agent {
namespace {

using hcl::ItemView;
using hcl::Node;
using hcl::NodeKind;
using hcl::View;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

struct PluginName {
  std::string type;
  std::string name;
  std::string where;  // its path in errors
  View body;
};

std::string quoted_pair(const std::string& type, const std::string& name) {
  return fmt::format("{}/{}", runtime::go_quote(type), runtime::go_quote(name));
}

// The plugins below one item of the block, which may be written `T "n" { }`, `T { n { } }`, `T = { n = { } }`, or
// `T "n" plugin_data { }`.
Result<void> find_plugins(const ItemView& item, std::size_t index, std::vector<PluginName>& found) {
  const std::string& type = item.keys().front().value;
  const std::string where = fmt::format("root[{}].{}", index, type);
  std::vector<ItemView> named;
  if (item.keys().size() > 1) {
    named.push_back(ItemView{item.item, item.skip + 1});
  } else if (item.value().kind == NodeKind::kObject) {
    named = hcl::items_of(item.value());
  } else {
    return hcl::error_at(item.value().position,
                         fmt::format("failed to decode plugins config: {}: not an object type for "
                                     "map ({})",
                                     where, View(item.value()).kind_name()));
  }
  for (const ItemView& plugin : named) {
    const std::string& name = plugin.keys().front().value;
    View body = plugin.keys().size() > 1 ? View(std::vector<ItemView>{ItemView{plugin.item, plugin.skip + 1}})
                                         : View(plugin.value());
    found.push_back(PluginName{type, name, fmt::format("{}.{}", where, name), std::move(body)});
  }
  return {};
}

Result<PluginConfig> read_plugin(const PluginName& found, const std::shared_ptr<const hcl::Document>& document,
                                 hcl::ReadNotes* notes) {
  PluginConfig plugin;
  plugin.type = found.type;
  plugin.name = found.name;
  const auto decode = [&]() -> Result<void> {
    STEEPLE_TRY(reader, hcl::ObjectReader::open(found.where, found.body, notes));
    STEEPLE_CHECK(reader.read("plugin_cmd", plugin.command));
    STEEPLE_CHECK(reader.read("plugin_args", plugin.arguments));
    STEEPLE_CHECK(reader.read("plugin_checksum", plugin.checksum));
    plugin.data.view = reader.read_raw("plugin_data");
    STEEPLE_CHECK(reader.read("plugin_data_file", plugin.data_file));
    return reader.read("enabled", plugin.enabled);
  };
  if (Result<void> decoded = decode(); !decoded) {
    return std::move(decoded.error()).with_context("failed to decode plugins config");
  }
  if (plugin.data.view) plugin.data.document = document;
  return plugin;
}

}  // namespace

bool PluginConfig::has_data() const {
  if (data_file) return true;
  if (!data.view) return false;
  if (data.view->items()) return !data.view->items()->empty();
  const Node* literal = data.view->literal();
  const bool json_null = literal && literal->literal.json && literal->literal.text == "null";
  return !json_null;
}

Result<std::string> PluginConfig::data_text() const {
  if (data_file) {
    return runtime::with_context(runtime::read_file(*data_file, hcl::kTextSizeMax), "failed to load plugin data");
  }
  return has_data() ? hcl::print(*data.view) : std::string();
}

std::vector<const PluginConfig*> PluginConfigs::enabled_of(std::string_view type) const {
  std::vector<const PluginConfig*> matching;
  for (const PluginConfig& plugin : all_) {
    if (plugin.enabled && plugin.type == type) matching.push_back(&plugin);
  }
  return matching;
}

Result<PluginConfigs> read_plugins(std::shared_ptr<const hcl::Document> document, const View& plugins,
                                   hcl::ReadNotes* notes) {
  if (!plugins.items()) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("expected plugins node type *ast.ObjectList but got {}", plugins.kind_name()));
  }
  std::vector<PluginName> found;
  for (std::size_t i = 0; i < plugins.items()->size(); ++i) {
    const ItemView& item = (*plugins.items())[i];
    if (!item.keys().empty()) STEEPLE_CHECK(find_plugins(item, i, found));
  }
  std::vector<PluginConfig> configs;
  for (std::size_t i = 0; i < found.size(); ++i) {
    const auto same = [&](const PluginName& other) {
      return other.type == found[i].type && other.name == found[i].name;
    };
    if (std::any_of(found.begin(), found.begin() + static_cast<std::ptrdiff_t>(i), same)) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("plugin {} declared more than once", quoted_pair(found[i].type, found[i].name)));
    }
  }
  for (const PluginName& plugin : found) {
    STEEPLE_TRY(config, read_plugin(plugin, document, notes));
    if (config.data.view && config.data_file) {
      return Error(
          ErrorCode::kMalformed,
          fmt::format("failed to create plugin config for {}: only one of [plugin_data, plugin_data_file] can be "
                      "used",
                      quoted_pair(config.type, config.name)));
    }
    configs.push_back(std::move(config));
  }
  return PluginConfigs(std::move(configs));
}

}  // namespace steeple::agent
