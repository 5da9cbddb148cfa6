#include "runtime/os/file.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cctype>
#include <cerrno>
#include <climits>
#include <cstdio>
#include <cstring>

#include "runtime/os/file_descriptor.h"

namespace steeple::runtime {

namespace {

constexpr int kDamagedFilesMax = 1000;

Result<void> write_all(int fd, BytesView content) {
  while (!content.empty()) {
    ssize_t written = ::write(fd, content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return system_error("write", errno);
    content = content.subspan(static_cast<std::size_t>(written));
  }
  return {};
}

// The file at `path` with this content, on the disk. A file left over from an earlier run may have been open to more.
Result<void> write_synced(const std::string& path, BytesView content, mode_t mode) {
  FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode));
  if (!file) return path_error("open", path, errno);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return path_error("stat", path, errno);
  mode_t found = status.st_mode & 07777;
  if ((found & ~mode) != 0 && ::fchmod(file.get(), found & mode) != 0) return path_error("chmod", path, errno);
  if (!write_all(file.get(), content)) return path_error("write", path, errno);
  if (::fsync(file.get()) != 0) return path_error("sync", path, errno);
  if (::close(file.release()) != 0) return path_error("close", path, errno);
  return {};
}

Result<void> sync_directory(const std::string& path) {
  FileDescriptor directory(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return path_error("open", path, errno);
  // Some file systems cannot sync a directory; the rename itself has happened.
  if (::fsync(directory.get()) != 0 && errno != EINVAL && errno != ENOTSUP) return path_error("sync", path, errno);
  return {};
}

}  // namespace

std::string go_errno_text(int error_number) {
  char buffer[128];
  std::string text = strerror_r(error_number, buffer, sizeof buffer);
  if (text.size() > 1 && std::islower(static_cast<unsigned char>(text[1]))) {
    text[0] = static_cast<char>(std::tolower(static_cast<unsigned char>(text[0])));
  }
  return text;
}

Error path_error(std::string_view operation, std::string_view path, int error_number) {
  std::string text(operation);
  text.append(" ").append(path).append(": ").append(go_errno_text(error_number));
  return Error(system_error("", error_number).code(), std::move(text));
}

Result<std::string> read_descriptor(int fd, std::string_view path, std::size_t size_max) {
  char block[8192];  // most files of /proc fit: one read, one copy
  std::string content;
  for (;;) {
    ssize_t size = ::read(fd, block, sizeof block);
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return path_error("read", path, errno);
    if (size == 0) return content;
    if (content.size() + static_cast<std::size_t>(size) > size_max) {
      return Error(ErrorCode::kLimit,
                   "read " + std::string(path) + ": larger than the limit of " + std::to_string(size_max) + " bytes");
    }
    content.append(block, static_cast<std::size_t>(size));
  }
}

Result<std::string> read_file(const std::string& path, std::size_t size_max) {
  FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY));
  if (!file) return path_error("open", path, errno);
  return read_descriptor(file.get(), path, size_max);
}

Result<void> replace_file(const std::string& path, BytesView content, mode_t mode) {
  const std::string temporary = path + ".tmp";
  if (Result<void> written = write_synced(temporary, content, mode); !written) {
    ::unlink(temporary.c_str());  // it may hold part of a key
    return written;
  }
  if (::rename(temporary.c_str(), path.c_str()) != 0) {
    int error_number = errno;
    ::unlink(temporary.c_str());
    return path_error("rename " + temporary, path, error_number);
  }
  return sync_directory(parent_directory(path));
}

Result<std::string> keep_aside(const std::string& path) {
  for (int number = 1; number <= kDamagedFilesMax; ++number) {
    std::string aside = path + ".damaged-" + std::to_string(number);
    if (::renameat2(AT_FDCWD, path.c_str(), AT_FDCWD, aside.c_str(), RENAME_NOREPLACE) == 0) {
      STEEPLE_CHECK(sync_directory(parent_directory(path)));
      return aside;
    }
    if (errno != EEXIST) return path_error("rename " + path, aside, errno);
  }
  return Error(ErrorCode::kLimit,
               "rename " + path + ": " + std::to_string(kDamagedFilesMax) + " damaged files are kept already");
}

bool is_missing(const std::string& path) {
  struct stat status;
  return ::stat(path.c_str(), &status) != 0 && errno == ENOENT;
}

Result<void> make_directories(const std::string& path, mode_t mode) {
  if (path.size() >= PATH_MAX) return path_error("mkdir", path, ENAMETOOLONG);
  struct stat status;
  if (::stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) return {};
    return path_error("mkdir", path, ENOTDIR);
  }
  std::string parent = parent_directory(path);
  if (parent.size() < path.size()) STEEPLE_CHECK(make_directories(parent, mode));
  if (::mkdir(path.c_str(), mode) == 0 || errno == EEXIST) return {};
  return path_error("mkdir", path, errno);
}

std::string parent_directory(std::string_view path) {
  while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
  std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  while (slash > 0 && path[slash - 1] == '/') --slash;
  return std::string(path.substr(0, slash == 0 ? 1 : slash));
}

}  // namespace steeple::runtime
