#include "agent/keys/disk_key_manager.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "agent/keys/keys_file.h"
#include "runtime/os/file.h"
#include "runtime/os/file_descriptor.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr mode_t kDirectoryMode = 0700;
constexpr mode_t kFileMode = 0600;

// A file is written and removed: found out now, not when the first key must be kept.
Result<void> probe_directory(const std::string& directory) {
  STEEPLE_CHECK(runtime::make_directories(directory, kDirectoryMode));
  std::string probe = directory + "/.probe";
  runtime::FileDescriptor file(open(probe.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, kFileMode));
  if (!file) return runtime::path_error("open", probe, errno);
  unlink(probe.c_str());
  return {};
}

Result<KeyMap> load(const std::string& path, const runtime::Logger& log) {
  if (runtime::is_missing(path)) return KeyMap();
  STEEPLE_TRY(json, runtime::read_file(path, kKeysFileSizeMax));
  Result<KeyMap> keys = parse_keys_file(json);
  runtime::wipe_memory(json.data(), json.size());
  if (keys) return keys;
  Result<std::string> aside = runtime::keep_aside(path);
  if (aside) {
    log.error("Stored keys cannot be read; file kept aside, going on without keys",
              {{"error", keys.error()}, {"path", path}, {"kept_as", *aside}});
  } else {
    log.error("Stored keys cannot be read, and the file cannot be kept aside; going on without keys",
              {{"error", keys.error()}, {"path", path}, {"rename_error", aside.error()}});
  }
  return KeyMap();
}

}  // namespace

Result<std::unique_ptr<DiskKeyManager>> DiskKeyManager::open(const std::string& directory, const runtime::Logger& log) {
  if (directory.empty()) return Error(ErrorCode::kInvalidArgument, "directory must be configured");
  Result<void> writable = probe_directory(directory);
  if (!writable) {
    return Error(ErrorCode::kFailedPrecondition, "directory validation failed: " + writable.error().message());
  }
  std::string path = directory + "/keys.json";
  STEEPLE_TRY(keys, load(path, log));
  return std::unique_ptr<DiskKeyManager>(new DiskKeyManager(std::move(path), std::move(keys)));
}

Result<ManagedKey> DiskKeyManager::generate(const std::string& id, runtime::KeyType type) {
  if (keys_.size() >= kKeysMax && !keys_.contains(id)) return Error(ErrorCode::kLimit, "too many keys");
  STEEPLE_TRY(key, runtime::PrivateKey::generate(type));
  Keys keys = keys_;
  keys.insert_or_assign(id, key);
  runtime::SecretBytes content = format_keys_file(keys);
  STEEPLE_CHECK(with_context(runtime::replace_file(path_, content.view(), kFileMode), "unable to write entries"));
  keys_ = std::move(keys);
  return ManagedKey(id, std::move(key));
}

std::vector<ManagedKey> DiskKeyManager::keys() const {
  std::vector<ManagedKey> out;
  for (const auto& [id, key] : keys_) out.emplace_back(id, key);
  return out;
}

std::optional<ManagedKey> DiskKeyManager::find(std::string_view id) const {
  auto found = keys_.find(id);
  if (found == keys_.end()) return std::nullopt;
  return ManagedKey(found->first, found->second);
}

}  // namespace steeple::agent
