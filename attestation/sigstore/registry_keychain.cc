#include "attestation/sigstore/registry_keychain.h"

#include <fmt/format.h>
#include <simdjson.h>
#include <sys/stat.h>

#include <algorithm>

#include "runtime/os/file.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::SecretBytes;

namespace {

namespace dom = simdjson::dom;
constexpr char kDockerHubKey[] = "https://index.docker.io/v1/";

Error malformed(std::string_view why) {
  return Error(ErrorCode::kMalformed, fmt::format("malformed login file: {}", why));
}

std::string_view text_of(dom::object object, std::string_view key) {
  std::string_view text;
  return object[key].get(text) ? std::string_view() : text;
}

SecretBytes secret_of(dom::object object, std::string_view key) {
  return SecretBytes(runtime::as_bytes(text_of(object, key)));
}

// "https://host/v1/" is "host".
std::string_view host_of(std::string_view key) {
  for (std::string_view scheme : {"http://", "https://"}) {
    if (key.starts_with(scheme)) key.remove_prefix(scheme.size());
  }
  return key.substr(0, key.find('/'));
}

// "USER:PASSWORD" in base64.
Result<void> take_auth(std::string_view text, RegistryLogin& login) {
  std::string padded(text);
  while (padded.size() % 4 != 0) padded += '=';
  Result<runtime::Bytes> decoded = runtime::base64_decode(padded);
  if (!decoded) return malformed("an auth is not base64");
  const SecretBytes pair(std::move(*decoded));
  const std::string_view both = runtime::as_text(pair.view());
  const std::size_t colon = both.find(':');
  if (colon == std::string_view::npos) return malformed("an auth is not a name and a password");
  login.username = both.substr(0, colon);
  std::string_view password = both.substr(colon + 1);
  while (password.ends_with('\0')) password.remove_suffix(1);
  login.password = SecretBytes(runtime::as_bytes(password));
  return {};
}

Result<RegistryLogin> read_login(dom::element element) {
  RegistryLogin login;
  dom::object object;
  if (element.get(object)) return malformed("an entry of auths is not an object");
  login.username = text_of(object, "username");
  login.password = secret_of(object, "password");
  login.identity_token = secret_of(object, "identitytoken");
  login.registry_token = secret_of(object, "registrytoken");
  if (const std::string_view auth = text_of(object, "auth"); !auth.empty()) STEEPLE_CHECK(take_auth(auth, login));
  return std::move(login);
}

// By the key itself, else by the host of a key.
std::optional<dom::element> find_entry(dom::object auths, const std::string& wanted) {
  std::optional<dom::element> by_host;
  for (auto [key, element] : auths) {
    if (key == wanted) return element;
    if (!by_host && host_of(key) == wanted) by_host = element;
  }
  return by_host;
}

bool is_file(const std::string& path) {
  struct stat found{};
  return !path.empty() && ::stat(path.c_str(), &found) == 0 && !S_ISDIR(found.st_mode);
}

std::string variable(const Environment& environment, const std::string& name) {
  return environment(name).value_or(std::string());
}

// Empty: there is none.
std::string login_file(const Environment& environment) {
  const auto below = [](const std::string& folder, std::string_view name) {
    return folder.empty() ? std::string() : fmt::format("{}/{}", folder, name);
  };
  const std::string home = variable(environment, "HOME");
  const std::string own = below(home, ".docker/config.json");
  const std::string named = below(variable(environment, "DOCKER_CONFIG"), "config.json");
  if (is_file(own) || is_file(named)) return named.empty() ? own : named;
  if (std::string file = variable(environment, "REGISTRY_AUTH_FILE"); is_file(file)) return file;
  if (std::string file = below(variable(environment, "XDG_RUNTIME_DIR"), "containers/auth.json"); is_file(file)) {
    return file;
  }
  std::string config = variable(environment, "XDG_CONFIG_HOME");
  if (config.empty()) config = below(home, ".config");
  std::string file = below(config, "containers/auth.json");
  return is_file(file) ? file : std::string();
}

}  // namespace

bool RegistryLogin::anonymous() const {
  return username.empty() && password.empty() && identity_token.empty() && registry_token.empty();
}

std::string RegistryLogin::basic() const {
  if (username.empty() || password.empty()) return {};
  std::string pair = username + ":" + std::string(runtime::as_text(password.view()));
  std::string header = "Basic " + runtime::base64_encode(runtime::as_bytes(pair));
  runtime::wipe_memory(pair.data(), pair.size());
  return header;
}

Result<StoredLogin> parse_stored_login(std::string_view json, const ImageReference& image) {
  dom::parser parser;
  dom::object root;
  if (parser.parse(json.data(), json.size()).get(root)) return malformed("not a JSON object");
  StoredLogin found;
  const bool one_store = !text_of(root, "credsStore").empty();
  dom::object auths, helpers;
  const bool has_auths = !root["auths"].get(auths);
  const bool has_helpers = !root["credHelpers"].get(helpers);
  for (std::string key : {image.registry + "/" + image.repository, image.registry}) {
    if (key == kDockerHub) key = kDockerHubKey;
    std::string_view helper;
    if (one_store || (has_helpers && !helpers[key].get(helper))) {
      found.by_helper = true;
      continue;
    }
    const std::optional<dom::element> entry = has_auths ? find_entry(auths, key) : std::nullopt;
    if (!entry) continue;
    STEEPLE_TRY(login, read_login(*entry));
    if (login.anonymous()) continue;
    return StoredLogin{std::move(login), false};
  }
  return std::move(found);
}

Result<RegistryLogin> find_stored_login(const Environment& environment, const ImageReference& image,
                                        const runtime::Logger& log) {
  const std::string path = login_file(environment);
  if (path.empty()) return RegistryLogin();
  Result<std::string> read = runtime::read_file(path, kLoginFileBytesMax);
  if (!read && read.error().code() == ErrorCode::kNotFound) return RegistryLogin();
  if (!read) return std::move(read.error());
  Result<StoredLogin> found = parse_stored_login(*read, image);
  runtime::wipe_memory(read->data(), read->size());
  if (!found) return std::move(found.error()).with_context(path);
  if (found->by_helper) {
    log.warning("A program keeps the login of this registry, which is not run; the registry is asked without a login",
                {{"registry", image.registry}, {"path", path}});
  }
  return std::move(found->login);
}

}  // namespace steeple::attestation
