// SHA-256 of opened files. Hashing runs on a worker, one file at a time so that keys never wait behind more than one;
// callers of the same file share one run; a run that nobody waits for any more is given up. A digest is remembered by
// (device, inode, size, mtime, ctime), the 1,024 used last. Owned by the attestor; outlives its callers. I/O thread
// only.
#pragma once

#include <sys/stat.h>

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <unordered_map>

#include "runtime/core/deadline.h"
#include "runtime/core/result.h"
#include "runtime/os/file_descriptor.h"
#include "runtime/task/signal.h"
#include "runtime/task/worker_pool.h"

namespace steeple::attestation {

inline constexpr std::size_t kDigestsKept = 1024;

// Which content an opened file has, as far as the kernel can tell without reading it.
class FileIdentity {
 public:
  explicit FileIdentity(const struct stat& status);
  bool operator==(const FileIdentity&) const = default;
  std::uint64_t device, inode;
  std::int64_t size, mtime_ns, ctime_ns;

  struct Hash {
    std::size_t operator()(const FileIdentity& identity) const;
  };
};

class FileDigester {
 public:
  FileDigester(runtime::Loop& loop, runtime::WorkerPool& workers, std::size_t kept_max = kDigestsKept);
  ~FileDigester();

  // Lower-case hex. `size_max` 0: no limit. `path` is for the error's text, which is upstream's.
  runtime::Task<runtime::Result<std::string>> sha256(runtime::FileDescriptor file, std::string path,
                                                     std::int64_t size_max, runtime::Deadline deadline,
                                                     runtime::StopToken stop);

  std::size_t runs() const { return runs_; }  // files really read, for tests and metrics
  std::size_t kept() const { return by_identity_.size(); }

 private:
  struct Run;
  using Kept = std::list<std::pair<FileIdentity, std::string>>;
  const std::string* find(const FileIdentity& identity);
  void keep(const FileIdentity& identity, const std::string& digest);
  runtime::Task<runtime::Result<std::string>> follow(std::shared_ptr<Run> run, runtime::Deadline deadline,
                                                     runtime::StopToken stop);
  runtime::Task<runtime::Result<std::string>> lead(std::shared_ptr<Run> run, runtime::FileDescriptor file,
                                                   runtime::Deadline deadline, runtime::StopToken stop);

  runtime::Loop& loop_;
  runtime::WorkerPool& workers_;
  std::size_t kept_max_;
  std::size_t runs_ = 0;
  bool busy_ = false;
  runtime::Signal idle_;
  Kept order_;  // the one used last first
  std::unordered_map<FileIdentity, Kept::iterator, FileIdentity::Hash> by_identity_;
  std::unordered_map<FileIdentity, std::shared_ptr<Run>, FileIdentity::Hash> running_;
};

}  // namespace steeple::attestation
