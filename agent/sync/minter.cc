#include "agent/sync/minter.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/sync/rotation_schedule.h"
#include "runtime/core/go_text.h"
#include "runtime/task/timeout.h"
#include "runtime/tls/csr.h"

namespace steeple::agent {
namespace {

using runtime::Bytes;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::KeyType;
using runtime::PrivateKey;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

struct KeyAndCsr {
  KeyAndCsr(PrivateKey new_key, Bytes new_csr) : key(std::move(new_key)), csr(std::move(new_csr)) {}
  PrivateKey key;
  Bytes csr;
};

Result<KeyAndCsr> make_key_and_csr(KeyType type, const std::string& spiffe_id) {
  STEEPLE_TRY(key, PrivateKey::generate(type));
  STEEPLE_TRY(csr, runtime::make_csr(key, spiffe_id));
  return KeyAndCsr(std::move(key), std::move(csr));
}

Result<std::vector<KeyAndCsr>> make_keys_and_csrs(KeyType type, const std::vector<std::string>& spiffe_ids) {
  std::vector<KeyAndCsr> made;
  made.reserve(spiffe_ids.size());
  for (const std::string& spiffe_id : spiffe_ids) {
    STEEPLE_TRY(one, make_key_and_csr(type, spiffe_id));
    made.push_back(std::move(one));
  }
  return made;
}

struct Answer {
  Answer(MintedChain minted, PrivateKey asked_key, SpiffeId asked_id)
      : chain(std::move(minted)), key(std::move(asked_key)), id(std::move(asked_id)) {}
  MintedChain chain;
  PrivateKey key;
  SpiffeId id;
};

// Nothing wrong, foreign or over gets into the cache.
Result<SharedX509Svid> verify_answer(const Answer& answer, runtime::WallTime now) {
  if (!answer.chain) return Error(ErrorCode::kDenied, answer.chain.error().text());
  STEEPLE_TRY(svid, X509Svid::make(*answer.chain, answer.key));
  if (svid->id() != answer.id) {
    return Error(ErrorCode::kMalformed,
                 fmt::format("X509-SVID is for {} instead of {}", svid->id().text(), answer.id.text()));
  }
  if (svid->expired(now)) {
    return Error(ErrorCode::kMalformed, "X509-SVID has already expired at " + runtime::rfc3339(svid->not_after()));
  }
  return svid;
}

std::vector<Result<SharedX509Svid>> verify_answers(const std::vector<Answer>& answers, runtime::WallTime now) {
  std::vector<Result<SharedX509Svid>> svids;
  svids.reserve(answers.size());
  for (const Answer& answer : answers) svids.push_back(verify_answer(answer, now));
  return svids;
}

}  // namespace

class Minter::Prepared {
 public:
  Prepared(SharedEntry asked_entry, PrivateKey asked_key, Bytes asked_csr)
      : entry(std::move(asked_entry)), key(std::move(asked_key)), csr(std::move(asked_csr)) {}
  SharedEntry entry;
  PrivateKey key;
  Bytes csr;
};

Minter::Minter(runtime::Loop& loop, const runtime::Clock& clock, runtime::WorkerPool& workers, ServerClient& server,
               X509Cache& cache, MinterOptions options, runtime::Logger log)
    : loop_(loop),
      clock_(clock),
      workers_(workers),
      server_(server),
      cache_(cache),
      options_(std::move(options)),
      policy_(options_.availability_target, options_.random),
      schedule_(options_.random, clock.now()),
      due_looked_at_(clock.now()),
      awaited_(loop),
      others_(loop),
      log_(std::move(log)) {
  cache_.on_wanted([this](MintPriority priority) {
    if (priority == MintPriority::kAwaited) awaited_.notify();
    others_.notify();
  });
}

Minter::~Minter() { cache_.on_wanted({}); }

void Minter::server_is_back() {
  schedule_.server_is_back(clock_.now());
  awaited_.notify();
  others_.notify();
}

bool Minter::may_call(MintPriority least) const {
  const runtime::SteadyTime now = clock_.now();
  return now >= schedule_.not_before() && cache_.has_wanted(least, now);
}

std::size_t Minter::batch_max() const {
  return is_rsa(options_.key_type) ? std::min(schedule_.batch_max(), kRsaBatchMax) : schedule_.batch_max();
}

Task<void> Minter::run_awaited(StopToken stop) {
  while (!stop.stop_requested()) {
    if (!may_call(MintPriority::kAwaited)) {
      static_cast<void>(co_await awaited_.wait(next_look(), stop));
      continue;
    }
    if (!co_await sleep_until(loop_, Deadline::in(kAwaitedGatherTime), stop)) break;
    const std::size_t limit = batch_max();
    co_await mint(cache_.take_wanted(MintPriority::kAwaited, limit, clock_.now()), limit, stop);
    others_.notify();  // when to look next has changed
  }
}

Task<void> Minter::run_others(StopToken stop) {
  while (!stop.stop_requested()) {
    mark_due();
    if (!may_call(MintPriority::kPrefetch)) {
      static_cast<void>(co_await others_.wait(next_look_with_due(), stop));
      continue;
    }
    if (!co_await sleep_until(loop_, Deadline::in(kOtherGatherTime), stop)) break;
    const std::size_t limit = batch_max();
    const std::size_t count = std::min(limit, others_max_);
    co_await mint(cache_.take_wanted(MintPriority::kPrefetch, count, clock_.now()), limit, stop);
    others_max_ = std::min(2 * others_max_, kSvidBatchMax);
  }
}

// The earliest of: the end of a failed call's pause, a refused entry's next try. Never now: what is ready and not for
// this lane is the other lane's.
Deadline Minter::next_look() const {
  const runtime::SteadyTime now = clock_.now();
  Deadline next = Deadline::after(now, kClockCheckMax);
  if (cache_.wanted_count() != 0 && schedule_.not_before() > now) next = next.sooner(Deadline(schedule_.not_before()));
  if (auto retry = cache_.next_retry()) {
    next = next.sooner(Deadline(std::max({*retry, schedule_.not_before(), now + kRetryLookMin})));
  }
  return next;
}

// Or the next renewal.
Deadline Minter::next_look_with_due() const {
  const runtime::SteadyTime now = clock_.now();
  const auto due = cache_.next_due();
  if (!due) return next_look();
  const auto until_due = std::max<std::chrono::nanoseconds>(*due - clock_.wall_now(), std::chrono::nanoseconds::zero());
  const runtime::SteadyTime due_at = Deadline::after(now, until_due).when();
  return next_look().sooner(Deadline(std::max(due_at, due_looked_at_ + kRotationGatherTime)));
}

void Minter::mark_due() {
  const runtime::SteadyTime now = clock_.now();
  const auto due = cache_.next_due();
  if (!due || *due > clock_.wall_now() || now < due_looked_at_ + kRotationGatherTime) return;
  due_looked_at_ = now;
  const std::size_t expiring = cache_.mark_due(clock_.wall_now());
  if (expiring == 0) return;
  if (options_.expiring) options_.expiring(expiring);
  log_.debug("Updating expiring SVIDs in cache", {{"cache_type", "workload"}, {"expiring_svids", expiring}});
}

void Minter::log_request(const std::vector<WantedSvid>& wanted, std::size_t limit) {
  log_.debug("Renewing stale entries",
             {{"cache_type", "workload"}, {"count", wanted.size() + cache_.wanted_count()}, {"limit", limit}});
  for (const WantedSvid& one : wanted) {
    runtime::LogFields fields;
    fields.emplace_back("entry_id", one.entry->id);
    fields.emplace_back("spiffe_id", one.entry->spiffe_id.text());
    if (one.expires_at) fields.emplace_back("expires_at", runtime::rfc3339(*one.expires_at));
    log_.info(one.expires_at ? "Renewing X509-SVID" : "Creating X509-SVID", std::move(fields));
  }
}

Task<void> Minter::mint(std::vector<WantedSvid> wanted, std::size_t limit, StopToken stop) {
  if (wanted.empty()) co_return;
  log_request(wanted, limit);
  Result<std::vector<Prepared>> prepared = co_await prepare(wanted, stop);
  if (!prepared) {
    put_back(wanted);
    if (stop.stop_requested()) co_return;
    schedule_.call_failed(false, clock_.now());
    log_.error("SVID sync failed", {{"error", prepared.error()}});
    co_return;
  }
  std::vector<CsrItem> items;
  items.reserve(prepared->size());
  for (Prepared& one : *prepared) items.emplace_back(one.entry->id, std::move(one.csr));
  const runtime::SteadyTime began = clock_.now();
  ServerResult<std::vector<MintedChain>> chains =
      co_await server_.batch_new_x509_svid(std::move(items), Deadline::after(clock_.now(), kServerCallTimeout), stop);
  if (options_.called) options_.called(chains ? "OK" : chains.error().code_name(), clock_.now() - began);
  if (!chains) {
    put_back(wanted);
    if (stop.stop_requested()) co_return;
    schedule_.call_failed(chains.error().error_class() == ServerErrorClass::kUnreachable, clock_.now());
    log_.error("SVID sync failed", {{"error", chains.error()}});
    co_return;
  }
  schedule_.call_succeeded(clock_.now());
  co_await accept(std::move(*prepared), std::move(*chains));
}

// In small jobs, so that a batch of another lane gets a worker soon.
Task<Result<std::vector<Minter::Prepared>>> Minter::prepare(const std::vector<WantedSvid>& wanted, StopToken stop) {
  const std::size_t job_size = is_rsa(options_.key_type) ? 1 : kEcKeysPerJob;
  std::vector<Prepared> prepared;
  prepared.reserve(wanted.size());
  while (prepared.size() < wanted.size()) {
    if (stop.stop_requested()) co_return stop.error();
    const std::size_t first = prepared.size();
    const std::size_t end = std::min(first + job_size, wanted.size());
    std::vector<std::string> spiffe_ids;
    for (std::size_t i = first; i < end; ++i) spiffe_ids.push_back(wanted[i].entry->spiffe_id.text());
    auto job = [type = options_.key_type, ids = std::move(spiffe_ids)] { return make_keys_and_csrs(type, ids); };
    STEEPLE_CO_TRY(made, co_await workers_.run(std::move(job)));
    for (std::size_t i = 0; i < made.size(); ++i) {
      prepared.emplace_back(wanted[first + i].entry, std::move(made[i].key), std::move(made[i].csr));
    }
  }
  co_return std::move(prepared);
}

Task<void> Minter::accept(std::vector<Prepared> prepared, std::vector<MintedChain> chains) {
  STEEPLE_ASSERT(prepared.size() == chains.size());
  for (std::size_t first = 0; first < prepared.size(); first += kEcKeysPerJob) {
    const std::size_t end = std::min(first + kEcKeysPerJob, prepared.size());
    std::vector<Answer> answers;
    for (std::size_t i = first; i < end; ++i) {
      answers.emplace_back(std::move(chains[i]), prepared[i].key, prepared[i].entry->spiffe_id);
    }
    auto job = [answers = std::move(answers), now = clock_.wall_now()] { return verify_answers(answers, now); };
    std::vector<Result<SharedX509Svid>> svids = co_await workers_.run(std::move(job));
    for (std::size_t i = first; i < end; ++i) {
      Result<SharedX509Svid>& svid = svids[i - first];
      if (svid) {
        store(prepared[i], std::move(*svid));
      } else {
        refuse(prepared[i], svid.error());
      }
    }
  }
}

void Minter::store(const Prepared& asked, SharedX509Svid svid) {
  schedule_.entry_signed(asked.entry->id);
  if (policy_.availability_target_ignored(svid->not_after() - svid->not_before())) {
    log_.warning(
        "X509 SVID lifetime isn't long enough to guarantee the availability_target, falling back to the default "
        "rotation "
        "strategy",
        {{"spiffe_id", svid->id().text()}, {"entry_id", asked.entry->id}});
  }
  const runtime::WallTime rotate_at =
      rotation_time(svid->not_before(), svid->not_after(), options_.availability_target, options_.random);
  cache_.put_svid(asked.entry, std::move(svid), rotate_at);
}

void Minter::refuse(const Prepared& asked, const Error& error) {
  // The server's own refusals were logged where the answer was read.
  if (error.code() != ErrorCode::kDenied) {
    log_.warning("Refused the X509-SVID the server issued", {{"entry_id", asked.entry->id}, {"error", error}});
  }
  cache_.mint_failed(asked.entry->id, schedule_.entry_refused(asked.entry->id, clock_.now()));
}

void Minter::put_back(const std::vector<WantedSvid>& wanted) {
  for (const WantedSvid& one : wanted) cache_.mint_failed(one.entry->id, clock_.now());
}

}  // namespace steeple::agent
