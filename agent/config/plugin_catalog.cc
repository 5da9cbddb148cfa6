// Which plugins there are, and the keys of those this version has. To add one: a row in kPlugins with `here` set, its
// keys in a struct of plugin_config.h, its use in agent/app.
#include <fmt/format.h>

#include <algorithm>

#include "agent/config/hcl/parser.h"
#include "agent/config/plugin_config.h"
#include "agent/config/plugin_keys.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"

namespace steeple::agent {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Logger;
using runtime::Result;

struct KnownPlugin {
  std::string_view type;
  std::string_view name;
  bool here = false;      // in this version of Steeple
  bool has_keys = false;  // takes plugin_data
};

constexpr KnownPlugin kPlugins[] = {
    {"KeyManager", "disk", true, true},
    {"KeyManager", "memory", true, false},
    {"NodeAttestor", "aws_iid"},
    {"NodeAttestor", "azure_imds"},
    {"NodeAttestor", "azure_msi"},
    {"NodeAttestor", "gcp_iit"},
    {"NodeAttestor", "http_challenge"},
    {"NodeAttestor", "join_token", true, false},
    {"NodeAttestor", "k8s_psat", true, true},
    {"NodeAttestor", "k8s_sat", true, true},
    {"NodeAttestor", "sshpop"},
    {"NodeAttestor", "tpm_devid"},
    {"NodeAttestor", "x509pop", true, true},
    {"SVIDStore", "aws_secretsmanager"},
    {"SVIDStore", "gcp_secretmanager"},
    {"WorkloadAttestor", "docker", true, true},
    {"WorkloadAttestor", "k8s", true, true},
    {"WorkloadAttestor", "slurm"},
    {"WorkloadAttestor", "systemd", true, false},
    {"WorkloadAttestor", "unix", true, true},
    {"WorkloadAttestor", "windows"},
};

struct TypeRule {
  std::string_view type;
  std::size_t count_min;
  bool exact;
};
constexpr TypeRule kTypes[] = {
    {"KeyManager", 1, true}, {"NodeAttestor", 1, true}, {"WorkloadAttestor", 1, false}, {"SVIDStore", 0, false}};

const KnownPlugin* find_known(const PluginConfig& plugin) {
  const auto same = [&](const KnownPlugin& known) { return known.type == plugin.type && known.name == plugin.name; };
  const auto* at = std::find_if(std::begin(kPlugins), std::end(kPlugins), same);
  return at == std::end(kPlugins) ? nullptr : at;
}

Result<void> refuse_missing(const PluginConfig& plugin) {
  const auto refuse = [&plugin](std::string_view what) {
    return Error(ErrorCode::kUnimplemented, fmt::format("failed to load plugin {}: {} not available in this version of "
                                                        "Steeple",
                                                        runtime::go_quote(plugin.name), what));
  };
  if (!plugin.command.empty()) {
    if (plugin.type == "NodeAttestor" && plugin.name == "join_token") {
      return Error(ErrorCode::kInvalidArgument,
                   "the built-in join_token node attestor cannot be overridden by an external plugin");
    }
    if (plugin.type == "WorkloadAttestor") return {};
    return refuse(fmt::format("external {} plugins are", plugin.type));
  }
  const KnownPlugin* known = find_known(plugin);
  if (known && !known->here) return refuse(fmt::format("{} \"{}\" is", plugin.type, plugin.name));
  return {};
}

Result<void> check_plugin(const PluginConfig& plugin, const Logger& log) {
  const auto known_type = [&](const TypeRule& rule) { return rule.type == plugin.type; };
  if (std::none_of(std::begin(kTypes), std::end(kTypes), known_type)) {
    log.error("Unsupported plugin type");
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("unsupported plugin type {}", runtime::go_quote(plugin.type)));
  }
  if (!plugin.enabled) {
    log.debug("Not loading plugin; disabled");
    return {};
  }
  STEEPLE_CHECK(refuse_missing(plugin));
  if (!plugin.command.empty()) return {};
  const KnownPlugin* known = find_known(plugin);
  if (!known) {
    const Error error(ErrorCode::kNotFound,
                      fmt::format("no built-in plugin {} for type {}", runtime::go_quote(plugin.name),
                                  runtime::go_quote(plugin.type)));
    log.error("Failed to load plugin", {{"error", error}});
    return error.with_context(fmt::format("failed to load plugin {}", runtime::go_quote(plugin.name)));
  }
  if (!known->has_keys && plugin.has_data()) {
    const Error error(ErrorCode::kInvalidArgument, "no supported configuration interface found");
    log.error("Failed to configure plugin", {{"error", error}});
    return error.with_context(fmt::format("failed to configure plugin {}", runtime::go_quote(plugin.name)));
  }
  return {};
}

Logger plugin_log(const PluginConfig& plugin, const Logger& log) {
  return log.with_subsystem("catalog").with(
      {{"external", !plugin.command.empty()}, {"plugin_name", plugin.name}, {"plugin_type", plugin.type}});
}

std::string unknown_names(hcl::UnknownKeys unknown) {
  unknown.fatal.insert(unknown.fatal.end(), unknown.unnoticed.begin(), unknown.unnoticed.end());
  std::sort(unknown.fatal.begin(), unknown.fatal.end());
  return fmt::format("{}", fmt::join(unknown.fatal, ","));
}

}  // namespace

std::string unknown_keys_complaint(hcl::UnknownKeys unknown) {
  const std::string names = unknown_names(std::move(unknown));
  return names.empty() ? names : "unknown configurations detected: " + names;
}

Result<void> read_plugin_keys(const PluginConfig& plugin, const Logger& log, const PluginKeysReader& keys) {
  const auto invalid = [](std::string_view what) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("rpc error: code = InvalidArgument desc = {}", what));
  };
  const auto run = [&]() -> Result<void> {
    PluginData data = plugin.data;
    if (plugin.data_file) {
      STEEPLE_TRY(text, runtime::with_context(runtime::read_file(*plugin.data_file, hcl::kTextSizeMax),
                                              "failed to load plugin data"));
      Result<std::shared_ptr<const hcl::Document>> parsed = hcl::parse(text);
      if (!parsed) return invalid(fmt::format("{}: {}", keys.decode_prefix, parsed.error().message()));
      data.document = std::move(*parsed);
      data.view = hcl::View(data.document->root);
    }
    if (plugin.has_data()) {
      hcl::ReadNotes notes;
      Result<hcl::ObjectReader> reader = hcl::ObjectReader::open("root", *data.view, &notes);
      Result<void> decoded = reader ? keys.read(*reader) : Result<void>(reader.error());
      if (!decoded) return invalid(fmt::format("{}: {}", keys.decode_prefix, decoded.error().message()));
      for (const std::string& path : notes.old_booleans) {
        plugin_log(plugin, log).warning(kOldBooleanWarning, {{"key", path}});
      }
      const std::string names = unknown_names(reader->unknown_keys());
      if (!names.empty() && keys.unknown == UnknownPluginKeys::kRefused) {
        return invalid(unknown_keys_complaint(reader->unknown_keys()));
      }
      if (!names.empty()) plugin_log(plugin, log).warning("Unknown configuration ignored", {{"keys", names}});
    }
    if (const std::string what = keys.complaint(); !what.empty()) return invalid(what);
    return {};
  };
  Result<void> configured = run();
  if (configured) return configured;
  plugin_log(plugin, log).error("Failed to configure plugin", {{"error", configured.error()}});
  return std::move(configured.error())
      .with_context(fmt::format("failed to configure plugin {}", runtime::go_quote(plugin.name)));
}

Result<void> refuse_missing_plugins(const PluginConfigs& plugins) {
  for (const PluginConfig& plugin : plugins.all()) {
    if (plugin.enabled) STEEPLE_CHECK(refuse_missing(plugin));
  }
  return {};
}

Result<void> check_plugins(const PluginConfigs& plugins, const Logger& log) {
  for (const PluginConfig& plugin : plugins.all()) STEEPLE_CHECK(check_plugin(plugin, plugin_log(plugin, log)));
  for (const TypeRule& rule : kTypes) {
    const std::size_t count = plugins.enabled_of(rule.type).size();
    if (count >= rule.count_min && (!rule.exact || count == rule.count_min)) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("plugin type \"{}\" constraint not satisfied: expected {} {} but got {}", rule.type,
                             rule.exact ? "exactly" : "at least", rule.count_min, count));
  }
  return {};
}

Result<DiskKeyManagerKeys> disk_key_manager_keys(const PluginConfig& plugin, const Logger& log) {
  DiskKeyManagerKeys keys;
  STEEPLE_CHECK(read_plugin_keys(
      plugin, log,
      {"unable to decode configuration",
       [&](hcl::ObjectReader& reader) { return reader.read("directory", keys.directory); },
       [&]() -> std::string { return keys.directory.empty() ? "directory must be configured" : ""; }}));
  return keys;
}

Result<X509PopKeys> x509pop_keys(const PluginConfig& plugin, const Logger& log) {
  X509PopKeys keys;
  std::string endpoint_socket;
  STEEPLE_CHECK(read_plugin_keys(plugin, log,
                                 {"unable to decode configuration",
                                  [&](hcl::ObjectReader& reader) -> Result<void> {
                                    STEEPLE_CHECK(reader.read("private_key_path", keys.private_key_path));
                                    STEEPLE_CHECK(reader.read("certificate_path", keys.certificate_path));
                                    STEEPLE_CHECK(reader.read("intermediates_path", keys.intermediates_path));
                                    return reader.read("spiffe_endpoint_socket", endpoint_socket);
                                  },
                                  [&]() -> std::string {
                                    if (!endpoint_socket.empty())
                                      return "spiffe_endpoint_socket is not available in this version of Steeple";
                                    if (keys.private_key_path.empty()) return "private_key_path is required";
                                    return keys.certificate_path.empty() ? "certificate_path is required" : "";
                                  }}));
  return keys;
}

Result<K8sTokenKeys> k8s_token_keys(const PluginConfig& plugin, const Logger& log) {
  K8sTokenKeys keys;
  const std::string_view missing =
      plugin.name == "k8s_psat" ? "missing required cluster block" : "configuration missing cluster";
  STEEPLE_CHECK(read_plugin_keys(plugin, log,
                                 {"unable to decode configuration",
                                  [&](hcl::ObjectReader& reader) -> Result<void> {
                                    STEEPLE_CHECK(reader.read("cluster", keys.cluster));
                                    return reader.read("token_path", keys.token_path);
                                  },
                                  [&] { return std::string(keys.cluster.empty() ? missing : std::string_view()); }}));
  return keys;
}

Result<UnixAttestorKeys> unix_attestor_keys(const PluginConfig& plugin, const Logger& log) {
  UnixAttestorKeys keys;
  STEEPLE_CHECK(read_plugin_keys(plugin, log,
                                 {"failed to decode configuration",
                                  [&](hcl::ObjectReader& reader) -> Result<void> {
                                    STEEPLE_CHECK(reader.read("discover_workload_path", keys.discover_workload_path));
                                    return reader.read("workload_size_limit", keys.workload_size_limit);
                                  },
                                  []() -> std::string { return ""; }}));
  return keys;
}

}  // namespace steeple::agent
