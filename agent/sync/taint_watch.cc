#include "agent/sync/taint_watch.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>

#include "runtime/task/timeout.h"
#include "runtime/tls/encoding.h"

namespace steeple::agent {
namespace {

using runtime::Certificate;
using runtime::Certificates;
using runtime::ErrorCode;
using runtime::Result;

// Whether a path leads from the SVID to one of these authorities.
Result<bool> is_signed_by_one(const runtime::Bytes& chain, const Certificates& authorities, runtime::WallTime now) {
  STEEPLE_TRY(certificates, runtime::parse_certificate_chain(chain));
  if (certificates.empty()) return false;
  const Certificates intermediates(certificates.begin() + 1, certificates.end());
  Result<void> verified = runtime::verify_chain(certificates.front(), intermediates, authorities, now);
  if (verified) return true;
  if (verified.error().code() == ErrorCode::kUntrusted) return false;
  return std::move(verified.error());
}

std::vector<std::string> take_new(const std::vector<std::string>& ids, std::set<std::string>& seen) {
  std::vector<std::string> fresh;
  for (const std::string& id : ids) {
    if (seen.insert(id).second) fresh.push_back(id);
  }
  return fresh;
}

}  // namespace

TaintWatch::TaintWatch(runtime::Loop& loop, const runtime::Clock& clock, runtime::WorkerPool& workers, X509Cache& cache,
                       runtime::Logger manager_log, runtime::Logger cache_log)
    : loop_(loop),
      clock_(clock),
      workers_(workers),
      cache_(cache),
      manager_log_(std::move(manager_log)),
      cache_log_(std::move(cache_log)),
      work_added_(loop) {}

TaintWatch::NewlyTainted TaintWatch::look_at(const Bundle& own) {
  NewlyTainted found;
  const std::vector<std::string> x509_ids = take_new(own.tainted_subject_key_ids(), x509_seen_);
  if (!x509_ids.empty()) {
    manager_log_.debug("New tainted X.509 authorities found",
                       {{"subject_key_ids", fmt::format("{}", fmt::join(x509_ids, ","))}});
    for (const X509Authority& authority : own.x509_authorities()) {
      const std::string id = runtime::to_hex(authority.certificate.subject_key_id());
      if (authority.tainted && std::find(x509_ids.begin(), x509_ids.end(), id) != x509_ids.end()) {
        found.x509_authorities.push_back(authority.certificate);
      }
    }
    schedule(found.x509_authorities);
  }
  found.jwt_key_ids = take_new(own.tainted_jwt_key_ids(), jwt_seen_);
  if (!found.jwt_key_ids.empty()) {
    manager_log_.debug("New tainted JWT authorities found",
                       {{"jwt_authority_key_ids", fmt::format("{}", fmt::join(found.jwt_key_ids, ","))}});
  }
  return found;
}

void TaintWatch::schedule(const Certificates& authorities) {
  std::vector<std::string> ids = cache_.entries_with_svid();
  if (ids.empty()) {
    cache_log_.debug("No SVID entries to process for tainted X.509 authorities");
    return;
  }
  cache_log_.debug("Scheduled rotation for SVID entries due to tainted X.509 authorities", {{"count", ids.size()}});
  work_.push_back(Work{{ids.begin(), ids.end()}, authorities});
  work_added_.notify();
}

runtime::Task<void> TaintWatch::run(runtime::StopToken stop) {
  while (!stop.stop_requested()) {
    if (work_.empty()) {
      static_cast<void>(co_await work_added_.wait(runtime::Deadline::never(), stop));
      continue;
    }
    co_await process_batch();
    if (work_.front().entry_ids.empty()) {
      cache_log_.info("Finished processing all tainted entries");
      work_.pop_front();
      continue;
    }
    cache_log_.info("There are tainted X.509 SVIDs left to be processed", {{"count", work_.front().entry_ids.size()}});
    static_cast<void>(co_await sleep_until(loop_, runtime::Deadline::in(kTaintBatchInterval), stop));
  }
}

runtime::Task<void> TaintWatch::process_batch() {
  Work& work = work_.front();
  const runtime::SteadyTime began = clock_.now();
  std::vector<std::string> ids;
  std::vector<SharedX509Svid> svids;
  while (!work.entry_ids.empty() && ids.size() < kTaintBatchSize) {
    if (SharedX509Svid svid = cache_.svid_of(work.entry_ids.front())) {
      ids.push_back(work.entry_ids.front());
      svids.push_back(std::move(svid));
    }
    work.entry_ids.pop_front();
  }
  auto job = [svids, authorities = work.authorities, now = clock_.wall_now()] {
    std::vector<Result<bool>> tainted;
    for (const SharedX509Svid& svid : svids) tainted.push_back(is_signed_by_one(svid->chain(), authorities, now));
    return tainted;
  };
  std::vector<Result<bool>> tainted = co_await workers_.run(std::move(job));
  std::size_t count = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (!tainted[i]) {
      cache_log_.error("Failed to check if SVID is signed by tainted authority",
                       {{"error", tainted[i].error()}, {"entry_id", ids[i]}});
    } else if (*tainted[i] && cache_.svid_of(ids[i]) == svids[i]) {  // not renewed meanwhile
      cache_.mark_tainted(ids[i]);
      ++count;
    }
  }
  if (processed_) processed_(count, clock_.now() - began);
  cache_log_.info("Tainted X.509 SVIDs", {{"tainted_x509_svids", count}});
}

}  // namespace steeple::agent
