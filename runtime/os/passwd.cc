#include "runtime/os/passwd.h"

#include <sys/stat.h>

#include <charconv>

#include "runtime/os/file.h"

namespace steeple::runtime {

namespace {

// What tells one version of a file from the next. All zero for a file that is not there.
class FileVersion {
 public:
  static FileVersion of(const std::string& path) {
    FileVersion version;
    struct stat status;
    if (::stat(path.c_str(), &status) != 0) return version;
    version.device_ = status.st_dev;
    version.inode_ = status.st_ino;
    version.size_ = status.st_size;
    version.changed_s_ = status.st_ctim.tv_sec;
    version.changed_ns_ = status.st_ctim.tv_nsec;
    return version;
  }
  bool operator==(const FileVersion&) const = default;

 private:
  dev_t device_ = 0;
  ino_t inode_ = 0;
  off_t size_ = 0;
  std::int64_t changed_s_ = 0;
  std::int64_t changed_ns_ = 0;
};

bool add_account(std::string_view line, std::unordered_map<std::uint32_t, std::string>& names) {
  std::size_t name_end = line.find(':');
  if (name_end == std::string_view::npos || name_end == 0 || line[0] == '+' || line[0] == '-') return false;
  std::size_t password_end = line.find(':', name_end + 1);
  if (password_end == std::string_view::npos) return false;
  std::size_t id_end = line.find(':', password_end + 1);
  if (id_end == std::string_view::npos) return false;
  std::uint32_t id = 0;
  auto [end, error] = std::from_chars(line.data() + password_end + 1, line.data() + id_end, id);
  if (error != std::errc() || end != line.data() + id_end || end == line.data() + password_end + 1) return false;
  return names.emplace(id, line.substr(0, name_end)).second;
}

}  // namespace

std::unordered_map<std::uint32_t, std::string> parse_account_file(std::string_view text) {
  std::unordered_map<std::uint32_t, std::string> names;
  while (!text.empty() && names.size() < kAccountNamesMax) {
    std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    if (!line.starts_with('#')) add_account(line, names);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  }
  return names;
}

class AccountNames::Database {
 public:
  Database(const Clock& clock, std::string path) : clock_(clock), path_(std::move(path)) {}

  std::optional<std::string> find(std::uint32_t id) {
    refresh();
    auto found = names_.find(id);
    if (found == names_.end()) return std::nullopt;
    return found->second;
  }

 private:
  void refresh() {
    SteadyTime now = clock_.now();
    if (now < next_check_) return;
    next_check_ = now + kAccountCheckInterval;
    FileVersion version = FileVersion::of(path_);
    if (version == version_) return;
    version_ = version;
    Result<std::string> text = read_file(path_, kAccountFileBytesMax);
    names_ = text ? parse_account_file(*text) : std::unordered_map<std::uint32_t, std::string>();
  }

  const Clock& clock_;
  std::string path_;
  SteadyTime next_check_ = SteadyTime::min();
  FileVersion version_;
  std::unordered_map<std::uint32_t, std::string> names_;
};

AccountNames::AccountNames(const Clock& clock, std::string passwd_path, std::string group_path)
    : users_(std::make_unique<Database>(clock, std::move(passwd_path))),
      groups_(std::make_unique<Database>(clock, std::move(group_path))) {}
AccountNames::~AccountNames() = default;

std::optional<std::string> AccountNames::user(uid_t uid) { return users_->find(uid); }
std::optional<std::string> AccountNames::group(gid_t gid) { return groups_->find(gid); }

}  // namespace steeple::runtime
