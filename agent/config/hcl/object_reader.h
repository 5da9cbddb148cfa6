// Decodes one block into typed values by HCL1's weak typing (config-cli 1.5): strings take integers, integers take
// strings of any base, a repeated scalar's last value wins, repeated lists are joined, repeated blocks merged. Keeps
// note of keys nobody asked for. Used for agent.conf, for each plugin's plugin_data and for the development server's
// server.conf. A reader points into its Document. Errors: kMalformed with position, path of the key, and what was
// expected.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/config/hcl/view.h"
#include "runtime/core/result.h"

namespace steeple::agent::hcl {

// Things worth a warning that the reader met: spellings of true and false that today's SPIRE refuses.
struct ReadNotes {
  std::vector<std::string> old_booleans;  // paths of keys
};

// Keys left over. `fatal` are those SPIRE notices; `unnoticed` are those it overlooks (quoted, or chained by JSON).
struct UnknownKeys {
  std::vector<std::string> fatal;
  std::vector<std::string> unnoticed;
  void add(const UnknownKeys& other);
};

class ObjectReader {
 public:
  using Fill = std::function<runtime::Result<void>(ObjectReader&)>;

  // `path` names the block in errors: "root.agent".
  static runtime::Result<ObjectReader> open(std::string path, const View& node, ReadNotes* notes);

  // Absent keys leave `out` as it is.
  runtime::Result<void> read(std::string_view key, std::string& out);
  runtime::Result<void> read(std::string_view key, std::int64_t& out);
  runtime::Result<void> read(std::string_view key, bool& out);
  runtime::Result<void> read(std::string_view key, std::optional<std::string>& out);
  runtime::Result<void> read(std::string_view key, std::optional<std::int64_t>& out);
  runtime::Result<void> read(std::string_view key, std::optional<bool>& out);
  runtime::Result<void> read(std::string_view key, std::vector<std::string>& out);  // appends

  // Calls `fill` once for each block of this name, so that repeated blocks merge. True when there was one.
  runtime::Result<bool> read_block(std::string_view key, const Fill& fill);
  // Calls `fill` once for each element of a list of blocks.
  runtime::Result<void> read_blocks(std::string_view key, const Fill& fill);
  // Calls `take` for each member of a block whose names are the user's (a map). Repeated blocks merge; a name that is
  // repeated comes again.
  struct Member {
    std::string name;
    std::string path;
    View value;
  };
  using TakeMember = std::function<runtime::Result<void>(const Member& member)>;
  runtime::Result<void> read_members(std::string_view key, const TakeMember& take);
  static runtime::Result<void> read(const Member& member, std::vector<std::string>& out);  // appends

  // The undecoded value, for later. When the key is repeated, the first one.
  std::optional<View> read_raw(std::string_view key);

  UnknownKeys unknown_keys() const;
  const std::string& path() const { return path_; }
  ReadNotes* notes() const { return notes_; }

 private:
  ObjectReader(std::string path, std::vector<ItemView> items, ReadNotes* notes);
  std::vector<View> matches(std::string_view key);
  std::string path_of(std::string_view key) const { return path_ + "." + std::string(key); }

  std::string path_;
  std::vector<ItemView> items_;
  ReadNotes* notes_;
  std::vector<std::string> asked_;
};

}  // namespace steeple::agent::hcl
