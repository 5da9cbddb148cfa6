#include "deploy/devserver/ca/key_store.h"

#include <fmt/format.h>

#include "runtime/os/file.h"

namespace steeple::devserver {

using runtime::PrivateKey;
using runtime::Result;

Result<KeyStore> KeyStore::open(std::string path) {
  if (path.empty() || runtime::is_missing(path)) return KeyStore(std::move(path), {});
  std::string doing = fmt::format("unable to load keys from \"{}\"", path);
  STEEPLE_TRY(text, runtime::with_context(runtime::read_file(path, agent::kKeysFileSizeMax), doing));
  Result<agent::KeyMap> keys = agent::parse_keys_file(text);
  runtime::wipe_memory(text.data(), text.size());
  if (!keys) return std::move(keys.error()).with_context(doing);
  return KeyStore(std::move(path), std::move(*keys));
}

std::optional<PrivateKey> KeyStore::find(const std::string& id) const {
  auto found = keys_.find(id);
  if (found == keys_.end()) return std::nullopt;
  return found->second;
}

Result<void> KeyStore::put(const std::string& id, const PrivateKey& key) {
  agent::KeyMap keys = keys_;
  keys.insert_or_assign(id, key);
  if (keys.size() > agent::kKeysMax) {
    return runtime::Error(runtime::ErrorCode::kLimit, fmt::format("more than {} keys", agent::kKeysMax));
  }
  STEEPLE_CHECK(save(keys));
  keys_ = std::move(keys);
  return {};
}

Result<void> KeyStore::keep_only(const std::set<std::string>& ids) {
  agent::KeyMap keys;
  for (const auto& [id, key] : keys_) {
    if (ids.contains(id)) keys.emplace(id, key);
  }
  if (keys.size() == keys_.size()) return {};
  STEEPLE_CHECK(save(keys));
  keys_ = std::move(keys);
  return {};
}

Result<void> KeyStore::save(const agent::KeyMap& keys) const {
  if (path_.empty()) return {};
  return runtime::with_context(runtime::replace_file(path_, agent::format_keys_file(keys).view(), 0600),
                               "unable to write keys");
}

}  // namespace steeple::devserver
