// Tainted authorities of the own bundle: each is acted upon once in the life of the process (server-sync 3.9). SVIDs
// that lead to one are signed anew, 100 every 5 s; until then the old one is served. Checks run on the workers. I/O
// thread only.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agent/cache/x509_cache.h"
#include "runtime/task/signal.h"
#include "runtime/task/worker_pool.h"

namespace steeple::agent {

inline constexpr std::size_t kTaintBatchSize = 100;
inline constexpr std::chrono::seconds kTaintBatchInterval{5};

class TaintWatch {
 public:
  // Logs go to subsystem "manager" (what was found) and "cache_manager" (what is done).
  TaintWatch(runtime::Loop& loop, const runtime::Clock& clock, runtime::WorkerPool& workers, X509Cache& cache,
             runtime::Logger manager_log, runtime::Logger cache_log);

  struct NewlyTainted {
    runtime::Certificates x509_authorities;
    std::vector<std::string> jwt_key_ids;
  };
  // What of the bundle is tainted and was not before. SVIDs signed by it are scheduled for rotation.
  NewlyTainted look_at(const Bundle& own);
  runtime::Task<void> run(runtime::StopToken stop);

  // For metrics: called after each batch. May be empty.
  using Processed = std::function<void(std::size_t tainted, std::chrono::nanoseconds elapsed)>;
  void on_processed(Processed processed) { processed_ = std::move(processed); }

 private:
  struct Work {
    std::deque<std::string> entry_ids;
    runtime::Certificates authorities;
  };
  void schedule(const runtime::Certificates& authorities);
  runtime::Task<void> process_batch();

  runtime::Loop& loop_;
  const runtime::Clock& clock_;
  runtime::WorkerPool& workers_;
  X509Cache& cache_;
  runtime::Logger manager_log_;
  runtime::Logger cache_log_;
  std::set<std::string> x509_seen_;
  std::set<std::string> jwt_seen_;
  std::deque<Work> work_;
  Processed processed_;
  runtime::Signal work_added_;
};

}  // namespace steeple::agent
