// The server's private keys by authority id: in a file of SPIRE's keys.json form (server-sync 6.3), or in memory only.
// A key is on disk before anything refers to it, and is dropped after nothing does. I/O thread only; holds keys until
// it dies.
#pragma once

#include <optional>
#include <set>
#include <string>

#include "agent/keys/keys_file.h"
#include "runtime/core/result.h"
#include "runtime/tls/keys.h"

namespace steeple::devserver {

class KeyStore {
 public:
  // An empty path keeps the keys in memory. A file that cannot be read is an error: its keys are not given up.
  static runtime::Result<KeyStore> open(std::string path);

  std::optional<runtime::PrivateKey> find(const std::string& id) const;
  runtime::Result<void> put(const std::string& id, const runtime::PrivateKey& key);
  runtime::Result<void> keep_only(const std::set<std::string>& ids);

 private:
  KeyStore(std::string path, agent::KeyMap keys) : path_(std::move(path)), keys_(std::move(keys)) {}
  runtime::Result<void> save(const agent::KeyMap& keys) const;
  std::string path_;
  agent::KeyMap keys_;
};

}  // namespace steeple::devserver
