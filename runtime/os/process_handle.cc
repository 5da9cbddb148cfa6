#include "runtime/os/process_handle.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>

#include "runtime/os/file.h"
#include "runtime/os/procfs.h"

namespace steeple::runtime {

namespace {

std::string proc_path(pid_t pid, const char* name = nullptr) {
  std::string path = "/proc/" + std::to_string(pid);
  if (name != nullptr) path.append("/").append(name);
  return path;
}

Error process_error(const char* operation, pid_t pid, const char* name, int error_number) {
  Error error = path_error(operation, proc_path(pid, name), error_number);
  if (error_number == ESRCH) return Error(ErrorCode::kNotFound, error.message());  // it ended meanwhile
  return error;
}

// A pidfd becomes readable when its process ends.
Result<void> check_pidfd(int pidfd) {
  pollfd waited{pidfd, POLLIN, 0};
  int ready;
  do {
    ready = ::poll(&waited, 1, 0);
  } while (ready < 0 && errno == EINTR);
  if (ready == 0) return {};
  return Error(ErrorCode::kNotFound, "caller exit suspected due to failed readdirent");
}

}  // namespace

Result<ProcessHandle> ProcessHandle::open(const Peer& peer, ProcessKeeper* keeper) {
  if (keeper != nullptr) {
    if (std::shared_ptr<const ProcessFiles> files = keeper->find(peer.calls())) {
      return ProcessHandle(peer, std::move(files));
    }
  }
  const pid_t pid = peer.credentials().pid;
  FileDescriptor directory(::open(proc_path(pid).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) {
    return process_error("open", pid, nullptr, errno).with_context("could not open caller's proc directory");
  }
  ProcessHandle handle(peer, std::move(directory));
  // Alive after the open: the directory is that of the peer, whatever happens to its number later.
  STEEPLE_CHECK(handle.verify_running());
  // Without a pidfd the descriptors are too few, or the kernel is old.
  const bool calls_again = std::exchange(peer.calls().called_before, true);
  if (keeper != nullptr && calls_again && peer.pidfd() >= 0) STEEPLE_CHECK(handle.keep_files(*keeper));
  return handle;
}

Result<void> ProcessHandle::keep_files(ProcessKeeper& keeper) {
  STEEPLE_TRY(status, open_file("status"));
  auto files = std::make_shared<ProcessFiles>();
  files->directory = std::move(own_directory_);
  files->status = std::move(status);
  kept_ = std::move(files);
  keeper.keep(peer_->calls(), kept_);
  return {};
}

Result<void> ProcessHandle::verify_running() const {
  if (peer_->pidfd() >= 0) return check_pidfd(peer_->pidfd());
  Result<std::string> text = with_context(read("stat", kProcStatBytesMax), "could not read caller stat");
  Result<std::uint64_t> start_time = 0;
  if (text) {
    start_time = parse_proc_stat_start_time(*text);
  } else {
    start_time = std::move(text.error());
  }
  if (!start_time) {
    Error error = std::move(start_time.error()).with_context("caller exit suspected due to failure to get starttime");
    return Error(ErrorCode::kNotFound, error.message());
  }
  if (*start_time == peer_->start_time()) return {};
  return Error(ErrorCode::kDenied, "new process detected: process starttime " + std::to_string(*start_time) +
                                       " does not match original caller " + std::to_string(peer_->start_time()));
}

Result<FileDescriptor> ProcessHandle::open_file(const char* name) const {
  FileDescriptor file(::openat(directory(), name, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) return process_error("open", pid(), name, errno);
  return file;
}

Result<std::string> ProcessHandle::read(const char* name, std::size_t size_max) const {
  STEEPLE_TRY(file, open_file(name));
  return read_descriptor(file.get(), proc_path(pid(), name), size_max);
}

// The kernel gives as much of this file as there is room for: a read that leaves room was the last.
Result<std::string> ProcessHandle::read_status() const {
  FileDescriptor opened;
  if (!kept_) {
    STEEPLE_TRY(file, open_file("status"));
    opened = std::move(file);
  }
  const int fd = kept_ ? kept_->status.get() : opened.get();
  char block[8192];
  std::string text;
  for (;;) {
    const ssize_t size = ::pread(fd, block, sizeof block, static_cast<off_t>(text.size()));
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return process_error("read", pid(), "status", errno);
    text.append(block, static_cast<std::size_t>(size));
    if (static_cast<std::size_t>(size) < sizeof block) return text;
    if (text.size() > kProcStatusBytesMax) {
      return Error(ErrorCode::kLimit, "read " + proc_path(pid(), "status") + ": larger than the limit");
    }
  }
}

Result<std::string> ProcessHandle::read_link(const char* name) const {
  char target[PATH_MAX + 1];
  ssize_t size = ::readlinkat(directory(), name, target, sizeof target);
  if (size < 0) return process_error("readlink", pid(), name, errno);
  if (size == sizeof target) return process_error("readlink", pid(), name, ENAMETOOLONG);
  return std::string(target, static_cast<std::size_t>(size));
}

Result<void> ProcessHandle::verify_alive() const {
  STEEPLE_CHECK(verify_running());
  struct stat status;
  if (::fstat(directory(), &status) != 0) {
    return Error(ErrorCode::kNotFound, "caller exit suspected due to failed proc stat");
  }
  const PeerCredentials& original = peer_->credentials();
  if (status.st_uid != original.uid) {
    return Error(ErrorCode::kDenied, "new process detected: process uid " + std::to_string(status.st_uid) +
                                         " does not match original caller " + std::to_string(original.uid));
  }
  if (status.st_gid != original.gid) {
    return Error(ErrorCode::kDenied, "new process detected: process gid " + std::to_string(status.st_gid) +
                                         " does not match original caller " + std::to_string(original.gid));
  }
  return {};
}

}  // namespace steeple::runtime
