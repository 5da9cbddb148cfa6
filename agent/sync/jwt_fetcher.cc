#include "agent/sync/jwt_fetcher.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"

namespace steeple::agent {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopReason;
using runtime::StopToken;
using runtime::Task;
using runtime::WallTime;
using runtime::grpc::StatusCode;

namespace {

JwtFetcherOptions with_random(JwtFetcherOptions options) {
  if (!options.random) options.random = runtime::system_random_unit();
  return options;
}

// The server has decided: asking again soon changes nothing.
bool is_final(const ServerError& error) {
  switch (error.status().code()) {
    case StatusCode::kNotFound:
    case StatusCode::kInvalidArgument:
    case StatusCode::kPermissionDenied:
    case StatusCode::kUnimplemented:
      return true;
    default:
      return false;
  }
}

Error left(StopToken stop, Error error) {
  bool late = stop.reason() == StopReason::kDeadline || error.code() == ErrorCode::kDeadline;
  return Error(late ? ErrorCode::kDeadline : ErrorCode::kCancelled,
               late ? "failed to fetch JWT SVID: rpc error: code = DeadlineExceeded desc = context deadline exceeded"
                    : "failed to fetch JWT SVID: rpc error: code = Canceled desc = context canceled");
}

}  // namespace

// One call to the server, and all who wait for it.
struct JwtFetcher::Call {
  Call(runtime::Loop& loop, std::string call_key, JwtRequest call_request, std::chrono::nanoseconds call_timeout,
       bool is_asked)
      : key(std::move(call_key)),
        request(std::move(call_request)),
        timeout(call_timeout),
        asked(is_asked),
        renewal(!is_asked),
        done(loop) {}
  std::string key;  // in calls_; empty: cannot be joined
  JwtRequest request;
  std::chrono::nanoseconds timeout;
  bool asked;          // somebody waits
  const bool renewal;  // begun without anybody
  std::optional<Result<SharedJwtSvid>> outcome;
  runtime::Signal done;
};

JwtFetcher::JwtFetcher(runtime::Loop& loop, const runtime::Clock& clock, ServerClient& server,
                       JwtFetcherOptions options, const runtime::Logger& log)
    : loop_(loop),
      clock_(clock),
      server_(server),
      options_(with_random(std::move(options))),
      log_(log.with_subsystem("manager")),
      cache_log_(log.with_subsystem("cache_manager")),
      cache_(options_.cache_max_size),
      renewals_changed_(loop),
      tasks_(loop) {}

JwtFetcher::~JwtFetcher() = default;

void JwtFetcher::start() { tasks_.spawn(renew(tasks_.token())); }

Task<void> JwtFetcher::close(StopReason reason) {
  tasks_.close(reason);
  co_await tasks_.join();
}

Task<Result<SharedJwtSvid>> JwtFetcher::fetch(SharedEntry entry, std::vector<std::string> audience, Deadline deadline,
                                              StopToken stop) {
  const bool cacheable = !entry->jwt_svid_include_jti;
  const std::string key = cacheable ? jwt_cache_key(entry->spiffe_id.text(), audience) : std::string();
  const std::optional<WallTime> renewal = cache_.next_renewal();
  const SharedJwtSvid cached = cacheable ? cache_.find(key, clock_.wall_now()) : nullptr;
  if (cached && clock_.wall_now() < cached->expires_at()) {
    if (cache_.next_renewal() != renewal) renewals_changed_.notify();
    co_return cached;
  }
  const std::string spiffe_id = entry->spiffe_id.text();
  STEEPLE_CO_TRY(call, join_or_begin(key, JwtRequest{std::move(entry), std::move(audience)}));
  while (!call->outcome) {
    Result<void> waited = co_await call->done.wait(deadline, stop);
    if (!waited && !call->outcome) co_return left(stop, std::move(waited.error()));
  }
  if (*call->outcome || !cached) co_return *call->outcome;
  const Error& error = call->outcome->error();
  co_return Error(error.code(),
                  fmt::format("unable to renew JWT for {} (err={})", runtime::go_quote(spiffe_id), error.message()));
}

// `key` empty: a call of its own.
Result<JwtFetcher::SharedCall> JwtFetcher::join_or_begin(const std::string& key, JwtRequest request) {
  std::string call_key = key.empty() ? std::string() : request.entry->id + '\0' + key;
  if (auto under_way = calls_.find(call_key); !call_key.empty() && under_way != calls_.end()) {
    under_way->second->asked = true;
    return under_way->second;
  }
  auto of_entry = calls_of_entry_.find(request.entry->id);
  bool many = of_entry != calls_of_entry_.end() && of_entry->second >= kJwtCallsOfEntryMax;
  if (many || calls_under_way_ >= kJwtCallsMax || tasks_.closed()) {
    return Error(ErrorCode::kLimit, "failed to fetch JWT SVID: too many JWT-SVIDs are being requested");
  }
  return begin(std::move(call_key), std::move(request), kServerCallTimeout, true);
}

JwtFetcher::SharedCall JwtFetcher::begin(std::string call_key, JwtRequest request, std::chrono::nanoseconds timeout,
                                         bool asked) {
  ++calls_under_way_;
  if (!asked) ++renewals_under_way_;
  ++calls_of_entry_[request.entry->id];
  auto call = std::make_shared<Call>(loop_, std::move(call_key), std::move(request), timeout, asked);
  if (!call->key.empty()) calls_.emplace(call->key, call);
  tasks_.spawn(ask_server(call));
  return call;
}

Task<void> JwtFetcher::ask_server(SharedCall call) {
  ServerResult<SharedJwtSvid> answer = co_await server_.new_jwt_svid(
      call->request.entry->id, call->request.audience, Deadline::after(clock_.now(), call->timeout), tasks_.token());
  finish(*call, std::move(answer));
}

void JwtFetcher::finish(Call& call, ServerResult<SharedJwtSvid> answer) {
  --calls_under_way_;
  if (call.renewal) --renewals_under_way_;
  auto of_entry = calls_of_entry_.find(call.request.entry->id);
  if (--of_entry->second == 0) calls_of_entry_.erase(of_entry);
  if (!call.key.empty()) calls_.erase(call.key);
  const bool keep = !call.key.empty();
  if (answer && keep) {
    const JwtSvid& svid = **answer;
    // Under the SPIFFE ID that the server gave it, which may be newer than the entry's here; the token of the old name
    // then counts as being renewed to its end, and is not asked for again.
    cache_.put(jwt_cache_key(svid.spiffe_id().text(), call.request.audience), *answer, call.request, renewal_time(svid),
               call.asked);
  } else if (!answer && keep) {
    renewal_failed(call, answer.error());
  }
  call.outcome.emplace(answer ? Result<SharedJwtSvid>(std::move(*answer))
                              : Result<SharedJwtSvid>(Error(answer.error().code(), answer.error().message())));
  call.done.notify();
  renewals_changed_.notify();
}

void JwtFetcher::renewal_failed(const Call& call, const ServerError& error) {
  const std::string key = jwt_cache_key(call.request.entry->spiffe_id.text(), call.request.audience);
  const auto wait = runtime::jittered(is_final(error) ? kJwtRefusedWait : kJwtRetryWait, 0.1, options_.random);
  cache_.retry(key, clock_.wall_now() + std::chrono::duration_cast<WallTime::duration>(wait));
  if (call.asked || error.error_class() == ServerErrorClass::kCancelled) return;
  log_.warning("Unable to renew JWT; returning cached copy",
               {{"error", error}, {"spiffe_id", call.request.entry->spiffe_id.text()}});
}

// Half of the lifetime before the end, with SPIRE's jitter; a second from now at the earliest.
WallTime JwtFetcher::renewal_time(const JwtSvid& svid) const {
  const std::chrono::nanoseconds lifetime = svid.expires_at() - svid.issued_at();
  const auto left = runtime::jittered(lifetime / 2, 0.1, options_.random);
  const WallTime earliest = clock_.wall_now() + std::chrono::seconds(1);
  return std::max(earliest, svid.expires_at() - std::chrono::duration_cast<WallTime::duration>(left));
}

Task<void> JwtFetcher::renew(StopToken stop) {
  while (!stop.stop_requested()) {
    const WallTime now = clock_.wall_now();
    for (JwtCache::Due& due : cache_.take_due(now, kJwtRenewalsMax - std::min(renewals_under_way_, kJwtRenewalsMax))) {
      const std::string call_key = due.request.entry->id + '\0' + due.key;
      if (!calls_.contains(call_key)) begin(call_key, std::move(due.request), options_.cache_hit_timeout, false);
    }
    Deadline wake = Deadline::never();
    if (std::optional<WallTime> next = cache_.next_renewal()) {
      const std::chrono::nanoseconds wait =
          std::clamp<std::chrono::nanoseconds>(*next - now, std::chrono::milliseconds(100), kJwtClockCheck);
      wake = Deadline::after(clock_.now(), wait);
    }
    static_cast<void>(co_await renewals_changed_.wait(wake, stop));
  }
}

std::size_t JwtFetcher::drop_signed_by(const std::vector<std::string>& key_ids) {
  std::size_t dropped = 0;
  for (const auto& [key_id, count] : cache_.taint(key_ids)) {
    cache_log_.info("JWT-SVIDs were removed from the JWT cache because they were issued by a tainted authority",
                    {{"jwt_authority_key_ids", key_id}, {"tainted_jwt_svids", count}});
    dropped += count;
  }
  return dropped;
}

}  // namespace steeple::agent
