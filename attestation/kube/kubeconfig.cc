#include "attestation/kube/kubeconfig.h"

#include <fmt/format.h>
#include <yaml-cpp/yaml.h>

#include "runtime/core/go_text.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using YAML::Node;

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

// The library throws on bad input; nothing leaves this file.
template <class Read>
auto guarded(Read read) -> decltype(read()) {
  try {
    return read();
  } catch (const YAML::Exception& error) {
    return Error(ErrorCode::kMalformed, error.what());
  }
}

// A field of a map that may be no map; an undefined node where there is none.
Node field(const Node& map, const std::string& key) {
  return map.IsDefined() && map.IsMap() ? map[key] : Node(YAML::NodeType::Undefined);
}

Result<std::string> text_of(const Node& map, const std::string& key) {
  Node value = field(map, key);
  if (!value.IsDefined() || value.IsNull()) return std::string();
  if (!value.IsScalar()) return Error(ErrorCode::kMalformed, key + " is not a string");
  return value.Scalar();
}

// The map under `body` of that name in the list `list`: contexts, clusters and users are written alike.
Result<Node> named(const Node& root, const std::string& list, const std::string& body, const std::string& name) {
  Node items = field(root, list);
  if (items.IsDefined() && items.IsSequence()) {
    for (const Node& item : items) {
      STEEPLE_TRY(own, text_of(item, "name"));
      if (own != name) continue;
      Node found = field(item, body);
      if (found.IsDefined() && found.IsMap()) return found;
      return invalid(fmt::format("{} {} of the kubeconfig is empty", body, runtime::go_quote(name)));
    }
  }
  return invalid(fmt::format("{} {} does not exist in the kubeconfig", body, runtime::go_quote(name)));
}

Result<void> refuse(const Node& map, std::string_view where, std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    Node value = field(map, key);
    if (!value.IsDefined() || value.IsNull()) continue;
    return Error(ErrorCode::kUnimplemented,
                 fmt::format("{} of a kubeconfig's {} is not available in this version of Steeple", key, where));
  }
  return {};
}

Result<std::string> decoded(const Node& map, const std::string& key) {
  STEEPLE_TRY(text, text_of(map, key));
  auto bytes = runtime::base64_decode(text);
  if (!bytes) return Error(ErrorCode::kMalformed, key + " is not base64");
  std::string value = runtime::to_text(*bytes);
  runtime::wipe_memory(bytes->data(), bytes->size());
  return value;
}

Result<std::string> path_of(const Node& map, const std::string& key, std::string_view directory) {
  STEEPLE_TRY(path, text_of(map, key));
  if (path.empty() || path.starts_with('/')) return path;
  return fmt::format("{}/{}", directory, path);
}

runtime::SecretBytes secret(std::string text) {
  runtime::SecretBytes bytes(runtime::as_bytes(text));
  runtime::wipe_memory(text.data(), text.size());
  return bytes;
}

Result<void> read_cluster(const Node& cluster, std::string_view directory, Kubeconfig& config) {
  STEEPLE_CHECK(refuse(cluster, "cluster", {"proxy-url", "tls-server-name"}));
  STEEPLE_TRY(server, text_of(cluster, "server"));
  while (server.ends_with('/')) server.pop_back();
  if (!server.starts_with("https://") || server.size() == 8) {
    return invalid(fmt::format("server {} of the kubeconfig is no https:// address", runtime::go_quote(server)));
  }
  config.server = std::move(server);
  STEEPLE_TRY(authority_file, path_of(cluster, "certificate-authority", directory));
  STEEPLE_TRY(authority_pem, decoded(cluster, "certificate-authority-data"));
  STEEPLE_TRY(skip, text_of(cluster, "insecure-skip-tls-verify"));
  if (!skip.empty() && skip != "true" && skip != "false") {
    return Error(ErrorCode::kMalformed, "insecure-skip-tls-verify is neither true nor false");
  }
  config.skip_verification = skip == "true";
  config.authority_file = std::move(authority_file);
  config.authority_pem = std::move(authority_pem);
  if (config.skip_verification && !(config.authority_file.empty() && config.authority_pem.empty())) {
    return invalid("specifying a root certificates file with the insecure flag is not allowed");
  }
  return {};
}

Result<void> read_user(const Node& user, std::string_view directory, Kubeconfig& config) {
  STEEPLE_CHECK(refuse(
      user, "user", {"exec", "auth-provider", "username", "password", "as", "as-uid", "as-groups", "as-user-extra"}));
  STEEPLE_TRY(certificate_file, path_of(user, "client-certificate", directory));
  STEEPLE_TRY(certificate_pem, decoded(user, "client-certificate-data"));
  STEEPLE_TRY(key_file, path_of(user, "client-key", directory));
  STEEPLE_TRY(key_pem, decoded(user, "client-key-data"));
  STEEPLE_TRY(token_file, path_of(user, "tokenFile", directory));
  STEEPLE_TRY(token, text_of(user, "token"));
  bool certificate = !certificate_file.empty() || !certificate_pem.empty();
  bool key = !key_file.empty() || !key_pem.empty();
  config.certificate_file = std::move(certificate_file);
  config.certificate_pem = std::move(certificate_pem);
  config.key_file = std::move(key_file);
  config.key_pem = secret(std::move(key_pem));
  config.token_file = std::move(token_file);
  config.token = secret(std::move(token));
  if (certificate == key) return {};
  return invalid(certificate ? "the kubeconfig's user has client-certificate, but no client-key"
                             : "the kubeconfig's user has client-key, but no client-certificate");
}

Result<Kubeconfig> read(std::string_view text, std::string_view directory) {
  Node root = YAML::Load(std::string(text));
  if (!root.IsMap()) return Error(ErrorCode::kMalformed, "the kubeconfig is not a YAML map");
  STEEPLE_TRY(current, text_of(root, "current-context"));
  if (current.empty()) return invalid("the kubeconfig has no current-context");
  STEEPLE_TRY(context, named(root, "contexts", "context", current));
  STEEPLE_TRY(cluster_name, text_of(context, "cluster"));
  STEEPLE_TRY(user_name, text_of(context, "user"));
  STEEPLE_TRY(cluster, named(root, "clusters", "cluster", cluster_name));
  Kubeconfig config;
  STEEPLE_CHECK(read_cluster(cluster, directory, config));
  if (user_name.empty()) return config;  // anonymous
  STEEPLE_TRY(user, named(root, "users", "user", user_name));
  STEEPLE_CHECK(read_user(user, directory, config));
  return config;
}

}  // namespace

Result<Kubeconfig> parse_kubeconfig(std::string_view text, std::string_view directory) {
  if (text.size() > kKubeconfigBytesMax) return Error(ErrorCode::kLimit, "the kubeconfig is too large");
  return guarded([&] { return read(text, directory); });
}

}  // namespace steeple::attestation
