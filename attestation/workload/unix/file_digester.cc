#include "attestation/workload/unix/file_digester.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <optional>
#include <vector>

#include "runtime/task/timeout.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::FileDescriptor;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr std::size_t kReadBytes = 256 << 10;

std::int64_t nanoseconds(const timespec& time) { return std::int64_t{time.tv_sec} * 1'000'000'000 + time.tv_nsec; }

Result<FileIdentity> identity_of(int fd) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return runtime::system_error("stat", errno);
  return FileIdentity(status);
}

Error too_large(std::string_view path, std::int64_t size, std::int64_t size_max) {
  return Error(ErrorCode::kLimit, fmt::format("workload {} exceeds size limit ({} > {})", path, size, size_max));
}

std::string hex(const unsigned char* bytes, unsigned size) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string out;
  out.reserve(2 * size);
  for (unsigned i = 0; i < size; ++i) {
    out += kDigits[bytes[i] >> 4];
    out += kDigits[bytes[i] & 15];
  }
  return out;
}

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

// Runs on a worker. A file that grows meanwhile is read up to the size it had, plus one byte to notice.
Result<std::string> hash_file(int fd, std::int64_t size, const std::atomic<bool>& unwanted) {
  std::unique_ptr<EVP_MD_CTX, FreeDigest> digest(EVP_MD_CTX_new());
  if (!digest || EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) != 1)
    return Error(ErrorCode::kInternal, "SHA-256 is not available");
  std::vector<unsigned char> buffer(kReadBytes);
  std::int64_t offset = 0;
  while (!unwanted.load(std::memory_order_relaxed)) {
    ssize_t got = ::pread(fd, buffer.data(), buffer.size(), offset);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return runtime::system_error("read", errno);
    offset += got;
    if (offset > size || (got == 0 && offset < size))
      return Error(ErrorCode::kUnavailable, "the file changed while it was read");
    if (got == 0) {
      unsigned char bytes[EVP_MAX_MD_SIZE];
      unsigned length = 0;
      if (EVP_DigestFinal_ex(digest.get(), bytes, &length) != 1) return Error(ErrorCode::kInternal, "SHA-256 failed");
      return hex(bytes, length);
    }
    if (EVP_DigestUpdate(digest.get(), buffer.data(), static_cast<std::size_t>(got)) != 1)
      return Error(ErrorCode::kInternal, "SHA-256 failed");
  }
  return Error(ErrorCode::kCancelled, "nobody waits for the digest any more");
}

}  // namespace

FileIdentity::FileIdentity(const struct stat& status)
    : device(status.st_dev),
      inode(status.st_ino),
      size(status.st_size),
      mtime_ns(nanoseconds(status.st_mtim)),
      ctime_ns(nanoseconds(status.st_ctim)) {}

std::size_t FileIdentity::Hash::operator()(const FileIdentity& identity) const {
  std::uint64_t mixed = identity.device * 0x9E3779B97F4A7C15ULL ^ identity.inode;
  mixed = mixed * 0x9E3779B97F4A7C15ULL ^ static_cast<std::uint64_t>(identity.ctime_ns);
  return std::hash<std::uint64_t>()(mixed * 0x9E3779B97F4A7C15ULL);
}

// One reading of one file, and those who wait for it. The leader awaits the worker; followers await the leader.
struct FileDigester::Run {
  Run(runtime::Loop& loop, FileIdentity file_identity) : identity(file_identity), done(loop) {}
  void leave() {
    if (--waiting != 0) return;
    unwanted = true;
    abandoned.request_stop(runtime::StopReason::kCallerCancelled);
  }
  FileIdentity identity;
  unsigned waiting = 1;
  std::atomic<bool> unwanted = false;  // read by the worker
  runtime::StopSource abandoned;       // the same for waits
  std::optional<Result<std::string>> result;
  runtime::Signal done;
};

FileDigester::FileDigester(runtime::Loop& loop, runtime::WorkerPool& workers, std::size_t kept_max)
    : loop_(loop), workers_(workers), kept_max_(kept_max), idle_(loop) {}

FileDigester::~FileDigester() = default;

const std::string* FileDigester::find(const FileIdentity& identity) {
  auto at = by_identity_.find(identity);
  if (at == by_identity_.end()) return nullptr;
  order_.splice(order_.begin(), order_, at->second);
  return &at->second->second;
}

void FileDigester::keep(const FileIdentity& identity, const std::string& digest) {
  if (find(identity)) return;
  order_.emplace_front(identity, digest);
  by_identity_.emplace(identity, order_.begin());
  if (order_.size() <= kept_max_) return;
  by_identity_.erase(order_.back().first);
  order_.pop_back();
}

Task<Result<std::string>> FileDigester::sha256(FileDescriptor file, std::string path, std::int64_t size_max,
                                               Deadline deadline, StopToken stop) {
  STEEPLE_CO_TRY(identity, identity_of(file.get()));
  if (size_max > 0 && identity.size > size_max) co_return too_large(path, identity.size, size_max);
  if (const std::string* known = find(identity)) co_return *known;
  if (auto at = running_.find(identity); at != running_.end() && !at->second->unwanted) {
    co_return co_await follow(at->second, deadline, stop);
  }
  auto run = std::make_shared<Run>(loop_, identity);
  running_.insert_or_assign(identity, run);
  co_return co_await lead(std::move(run), std::move(file), deadline, stop);
}

Task<Result<std::string>> FileDigester::follow(std::shared_ptr<Run> run, Deadline deadline, StopToken stop) {
  ++run->waiting;
  while (!run->result) {
    Result<void> waited = co_await run->done.wait(deadline, stop);
    if (!waited && !run->result) {
      run->leave();
      co_return std::move(waited.error());
    }
  }
  co_return *run->result;
}

Task<Result<std::string>> FileDigester::lead(std::shared_ptr<Run> run, FileDescriptor file, Deadline deadline,
                                             StopToken stop) {
  runtime::Timeout timeout(loop_, deadline, stop);
  {
    runtime::StopCallback leave(timeout.token(), [&run](runtime::StopReason) { run->leave(); });
    // The turn is awaited without the leader's own stop: others may have joined this run.
    while (busy_ && !run->unwanted) {
      if (!co_await idle_.wait(Deadline::never(), run->abandoned.token())) break;
    }
    if (run->unwanted) {
      run->result = Error(ErrorCode::kCancelled, "nobody waits for the digest any more");
    } else {
      busy_ = true;
      ++runs_;
      auto job = [&run, &file] { return hash_file(file.get(), run->identity.size, run->unwanted); };
      run->result = co_await workers_.run(job);
      busy_ = false;
      idle_.notify();
    }
  }
  Result<FileIdentity> after = identity_of(file.get());
  if (*run->result && after && *after == run->identity) keep(run->identity, **run->result);
  if (auto at = running_.find(run->identity); at != running_.end() && at->second == run) running_.erase(at);
  run->done.notify();
  if (timeout.token().stop_requested()) co_return timeout.token().error();
  co_return *run->result;
}

}  // namespace steeple::attestation
