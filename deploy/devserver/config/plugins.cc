#include "deploy/devserver/config/plugins.h"

#include <fmt/format.h>

#include "agent/config/plugin_config.h"
#include "deploy/devserver/config/plugins_k8s.h"
#include "runtime/core/go_text.h"

namespace steeple::devserver {
namespace {

namespace hcl = agent::hcl;
using agent::PluginConfig;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

Result<void> read_sql(hcl::ObjectReader& reader, DevServerConfig& config) {
  std::string type;
  STEEPLE_CHECK(reader.read("database_type", type));
  STEEPLE_CHECK(reader.read("connection_string", config.database_path));
  if (type.empty()) return invalid("database_type must be set");
  if (type != "sqlite3") {
    return Error(ErrorCode::kUnimplemented,
                 fmt::format("database_type {}: the development server has sqlite3 only", runtime::go_quote(type)));
  }
  const std::string& path = config.database_path;
  if (path.empty()) return invalid("connection_string must be set");
  if (path.starts_with("file:") || path.starts_with(':') || path.find('?') != std::string::npos) {
    return Error(ErrorCode::kUnimplemented, "connection_string: the development server takes a plain path only");
  }
  return {};
}

Result<void> read_disk(hcl::ObjectReader& reader, DevServerConfig& config) {
  STEEPLE_CHECK(reader.read("keys_path", config.keys_path));
  if (config.keys_path.empty()) return invalid("keys_path is required");
  return {};
}

Result<void> read_nothing(hcl::ObjectReader&, DevServerConfig&) { return {}; }

Result<void> read_x509pop(hcl::ObjectReader& reader, DevServerConfig& config) {
  X509popConfig& x509pop = config.x509pop.emplace();
  std::string mode = "external_pki";
  std::string path;
  STEEPLE_CHECK(reader.read("mode", mode));
  STEEPLE_CHECK(reader.read("ca_bundle_path", path));
  STEEPLE_CHECK(reader.read("ca_bundle_paths", x509pop.ca_bundle_paths));
  STEEPLE_CHECK(reader.read("max_intermediates", x509pop.intermediates_max));
  STEEPLE_CHECK(reader.read("max_rsa_key_size", x509pop.rsa_key_bits_max));
  if (mode != "external_pki") {
    return Error(ErrorCode::kUnimplemented,
                 fmt::format("mode {}: the development server has external_pki only", runtime::go_quote(mode)));
  }
  if (!path.empty() && !x509pop.ca_bundle_paths.empty()) {
    return invalid("only one of ca_bundle_path or ca_bundle_paths can be configured, not both");
  }
  if (!path.empty()) x509pop.ca_bundle_paths.push_back(path);
  if (x509pop.ca_bundle_paths.empty()) return invalid("one of ca_bundle_path or ca_bundle_paths must be configured");
  if (x509pop.intermediates_max < 0 || x509pop.rsa_key_bits_max < 1) {
    return invalid("max_intermediates and max_rsa_key_size must be positive");
  }
  return {};
}

struct KnownPlugin {
  std::string_view type;
  std::string_view name;
  Result<void> (*read)(hcl::ObjectReader&, DevServerConfig&);
};
constexpr KnownPlugin kPlugins[] = {
    {"DataStore", "sql", read_sql},
    {"KeyManager", "disk", read_disk},
    {"KeyManager", "memory", read_nothing},
    {"NodeAttestor", "join_token", read_nothing},
    {"NodeAttestor", "k8s_psat", read_k8s_psat},
    {"NodeAttestor", "k8s_sat", read_k8s_sat},
    {"NodeAttestor", "x509pop", read_x509pop},
    {"Notifier", "k8sbundle", read_k8s_bundle},
};

Result<void> configure(const PluginConfig& plugin, DevServerConfig& config) {
  std::string where = fmt::format("plugin {} {}", plugin.type, runtime::go_quote(plugin.name));
  auto unavailable = [&](std::string_view what) {
    return Error(ErrorCode::kUnimplemented, fmt::format("{}: the development server does not have {}", where, what));
  };
  for (const KnownPlugin& known : kPlugins) {
    if (known.type != plugin.type || known.name != plugin.name) continue;
    if (!plugin.command.empty()) return unavailable("external plugins (plugin_cmd)");
    if (plugin.data_file) return unavailable("plugin_data_file");
    static const hcl::Node kEmptyBlock{hcl::NodeKind::kObject, {}, {}, {}, {}};
    STEEPLE_TRY(reader, hcl::ObjectReader::open(
                            "plugin_data", plugin.has_data() ? *plugin.data.view : hcl::View(kEmptyBlock), nullptr));
    if (auto read = known.read(reader, config); !read) return std::move(read.error()).with_context(where);
    return refuse_unknown_keys(reader, where);
  }
  return unavailable("it");
}

}  // namespace

Result<void> read_plugins(const std::shared_ptr<const hcl::Document>& document, const hcl::View& plugins,
                          DevServerConfig& config) {
  hcl::ReadNotes notes;
  STEEPLE_TRY(configs, agent::read_plugins(document, plugins, &notes));
  for (const PluginConfig& plugin : configs.all()) {
    if (plugin.enabled) STEEPLE_CHECK(configure(plugin, config));
  }
  if (configs.enabled_of("DataStore").size() != 1) return invalid("exactly one DataStore plugin must be configured");
  if (configs.enabled_of("KeyManager").size() != 1) return invalid("exactly one KeyManager plugin must be configured");
  return {};
}

}  // namespace steeple::devserver
