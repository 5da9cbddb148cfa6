// Names of users and groups, from /etc/passwd and /etc/group as the agent sees them (attestation 2.2). A container without
// these files has no names, which is no error. Answers come from memory; a file is looked at again at most once a second
// and read again when it changed; an id it does not hold is asked of the name service (LDAP and the like) where the
// system has one, and that answer is kept 60 s. One owner, I/O thread only.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "runtime/core/clock.h"

namespace steeple::runtime {

inline constexpr std::size_t kAccountFileBytesMax = 16u << 20;
inline constexpr std::size_t kAccountNamesMax = 200'000;       // per file
inline constexpr std::size_t kAccountLookupsKept = 10'000;     // name-service answers, per kind

// Lines NAME:x:ID:... of /etc/passwd and /etc/group alike. The first line of an id counts; others are skipped.
std::unordered_map<std::uint32_t, std::string> parse_account_file(std::string_view text);

class AccountNames {
 public:
  struct Sources {
    std::string passwd = "/etc/passwd";
    std::string group = "/etc/group";
    bool name_service = true;  // getpwuid_r, getgrgid_r for ids the files do not hold
  };
  explicit AccountNames(const Clock& clock);
  AccountNames(const Clock& clock, Sources sources);
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
