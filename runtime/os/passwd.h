// Names of users and groups, from /etc/passwd and /etc/group as the agent sees them (attestation 2.2). A container
// without these files has no names, which is no error. Answers come from memory; a file is looked at again at most once
// a second and read again when it changed. The name service (LDAP and the like) is not asked: it may block for seconds,
// and the agent that Steeple replaces, a static program, does not ask it either. One owner, I/O thread only.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "runtime/core/clock.h"

namespace steeple::runtime {

inline constexpr std::size_t kAccountFileBytesMax = 16u << 20;
inline constexpr std::size_t kAccountNamesMax = 200'000;  // per file
inline constexpr std::chrono::seconds kAccountCheckInterval{1};

// Lines NAME:x:ID:... of /etc/passwd and /etc/group alike. The first line of an id counts; others are skipped.
std::unordered_map<std::uint32_t, std::string> parse_account_file(std::string_view text);

class AccountNames {
 public:
  explicit AccountNames(const Clock& clock, std::string passwd_path = "/etc/passwd",
                        std::string group_path = "/etc/group");
  ~AccountNames();
  AccountNames(const AccountNames&) = delete;
  AccountNames& operator=(const AccountNames&) = delete;

  std::optional<std::string> user(uid_t uid);
  std::optional<std::string> group(gid_t gid);

 private:
  class Database;
  std::unique_ptr<Database> users_;
  std::unique_ptr<Database> groups_;
};

}  // namespace steeple::runtime
