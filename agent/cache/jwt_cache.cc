#include "agent/cache/jwt_cache.h"

#include <algorithm>
#include <utility>

#include "runtime/tls/encoding.h"

namespace steeple::agent {

using runtime::WallTime;

namespace {

constexpr std::size_t kPlainKeyMax = 256;

}  // namespace

std::string jwt_cache_key(std::string_view spiffe_id, const std::vector<std::string>& audience) {
  std::vector<std::string_view> sorted(audience.begin(), audience.end());
  std::sort(sorted.begin(), sorted.end());
  std::size_t size = spiffe_id.size() + 1;
  for (std::string_view name : sorted) size += name.size() + 1;
  std::string text;
  text.reserve(size);
  text += spiffe_id;
  text += '\0';
  for (std::string_view name : sorted) {
    text += name;
    text += '\0';
  }
  if (text.size() <= kPlainKeyMax) return text;
  return '\0' + runtime::to_text(runtime::sha256(runtime::as_bytes(text)));  // no SPIFFE ID begins so
}

SharedJwtSvid JwtCache::find(const std::string& key, WallTime now) {
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return nullptr;
  Record& record = *found->second;
  records_.splice(records_.begin(), records_, found->second);
  if (now < record.svid->expires_at() && !record.renewal && !record.out) schedule(record, record.renew_at);
  return record.svid;
}

void JwtCache::put(const std::string& key, SharedJwtSvid svid, JwtRequest request, WallTime renew_at, bool asked) {
  auto found = by_key_.find(key);
  if (svid->token().size() > kCachedJwtSizeMax || tainted_.contains(svid->key_id())) {
    if (found != by_key_.end()) found->second->out = false;
    return;
  }
  if (found == by_key_.end()) {
    if (records_.size() >= svids_max_) erase(std::prev(records_.end()));
    records_.push_front(Record{key, nullptr, {}, {}, std::nullopt, false});
    found = by_key_.emplace(key, records_.begin()).first;
  } else {
    records_.splice(records_.begin(), records_, found->second);
  }
  Record& record = *found->second;
  unschedule(record);
  record.svid = std::move(svid);
  record.request = std::move(request);
  record.renew_at = renew_at;
  record.out = false;
  if (asked) schedule(record, renew_at);
}

std::optional<WallTime> JwtCache::next_renewal() const {
  if (renewals_.empty()) return std::nullopt;
  return renewals_.begin()->first;
}

std::vector<JwtCache::Due> JwtCache::take_due(WallTime now, std::size_t max) {
  std::vector<Due> due;
  while (due.size() < max && !renewals_.empty() && renewals_.begin()->first <= now) {
    Record& record = *renewals_.begin()->second;
    unschedule(record);
    if (now >= record.svid->expires_at()) continue;  // the next caller asks the server
    record.out = true;
    due.push_back({record.key, record.request});
  }
  return due;
}

void JwtCache::retry(const std::string& key, WallTime at) {
  auto found = by_key_.find(key);
  if (found == by_key_.end()) return;
  Record& record = *found->second;
  record.out = false;
  record.renew_at = at;  // not before, however often it is asked for
  if (!record.renewal && at < record.svid->expires_at()) schedule(record, at);
}

std::map<std::string, std::size_t> JwtCache::taint(const std::vector<std::string>& key_ids) {
  tainted_.insert(key_ids.begin(), key_ids.end());
  std::map<std::string, std::size_t> dropped;
  for (auto record = records_.begin(); record != records_.end();) {
    auto current = record++;
    if (!tainted_.contains(current->svid->key_id())) continue;
    ++dropped[current->svid->key_id()];
    erase(current);
  }
  return dropped;
}

void JwtCache::schedule(Record& record, WallTime at) {
  unschedule(record);
  record.renewal = renewals_.emplace(at, &record);
}

void JwtCache::unschedule(Record& record) {
  if (record.renewal) renewals_.erase(*std::exchange(record.renewal, std::nullopt));
}

void JwtCache::erase(Records::iterator record) {
  unschedule(*record);
  by_key_.erase(record->key);
  records_.erase(record);
}

}  // namespace steeple::agent
