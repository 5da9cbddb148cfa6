#include "attestation/sigstore/tuf/tuf_repository.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;
using runtime::WallTime;

namespace {

constexpr const char* kKeeping = "creating cached local store";
constexpr std::string_view kFileScheme = "file://";
constexpr std::string_view kPublicPlaces[] = {"sigstore-tuf-root", "https://sigstore-tuf-root.storage.googleapis.com",
                                              "https://storage.googleapis.com/sigstore-tuf-root"};

// Go's strconv.ParseBool; anything else is false.
bool is_true(const std::optional<std::string>& text) {
  constexpr std::string_view kTrue[] = {"1", "t", "T", "true", "TRUE", "True"};
  return text && std::find(std::begin(kTrue), std::end(kTrue), *text) != std::end(kTrue);
}

std::string base_url(std::string mirror) {
  if (std::find(std::begin(kPublicPlaces), std::end(kPublicPlaces), mirror) != std::end(kPublicPlaces)) {
    mirror = kTufMirror;
  }
  if (mirror.find("://") == std::string::npos) mirror = "https://" + mirror + ".storage.googleapis.com";
  while (mirror.ends_with('/')) mirror.pop_back();
  return mirror;
}

// Nothing that would mean another place, in a URL or in a file system.
bool is_plain_name(std::string_view name) {
  constexpr std::string_view kOthers = "._-+@=/";
  if (name.empty() || name.front() == '/' || name.back() == '/' || name.size() > 512) return false;
  for (char c : name) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (!letter && kOthers.find(c) == std::string_view::npos) return false;
  }
  const std::string in_slashes = "/" + std::string(name) + "/";
  for (const char* part : {"//", "/./", "/../"}) {
    if (in_slashes.find(part) != std::string::npos) return false;
  }
  return true;
}

std::string with_prefix(const std::string& name, const std::string& prefix) {
  const std::size_t slash = name.rfind('/');
  const std::size_t base = slash == std::string::npos ? 0 : slash + 1;
  return name.substr(0, base) + prefix + "." + name.substr(base);
}

Result<void> check_target(std::string_view bytes, const TufTarget& target) {
  if (bytes.size() != target.length) {
    return Error(ErrorCode::kUnauthenticated,
                 fmt::format("wrong length, expected {} got {}", target.length, bytes.size()));
  }
  if (target.hashes.empty()) return Error(ErrorCode::kUnauthenticated, "no common hash function");
  return check_tuf_hashes(bytes, target.hashes);
}

}  // namespace

TufSettings tuf_settings(const Environment& environment) {
  TufSettings settings;
  settings.root = embedded_tuf_root();
  std::string folder = environment("TUF_ROOT").value_or("");
  if (folder.empty()) {
    const std::string home = environment("HOME").value_or("");
    folder = home.empty() ? ".sigstore/root" : home + "/.sigstore/root";
  }
  settings.mirror = TufCache(folder).mirror().value_or(kTufMirror);
  if (!is_true(environment("SIGSTORE_NO_CACHE"))) settings.cache_folder = std::move(folder);
  return settings;
}

TufRepository::TufRepository(runtime::HttpClient& http, TufSettings settings, runtime::Logger log)
    : http_(http), settings_(std::move(settings)), log_(std::move(log)), url_(base_url(settings_.mirror)) {
  if (settings_.cache_folder) cache_.emplace(*settings_.cache_folder);
}

// A cache that is damaged is as good as none: it is written anew after the update.
Result<TufStore> TufRepository::read_cache() const {
  if (!cache_) return TufStore();
  auto store = cache_->read_metadata();
  if (store) return store;
  const ErrorCode code = store.error().code();
  if (code != ErrorCode::kMalformed && code != ErrorCode::kLimit) {
    return std::move(store.error()).with_context(kKeeping);
  }
  log_.warning("Sigstore's cache cannot be read and is not used",
               {{"path", *settings_.cache_folder}, {"error", store.error()}});
  return TufStore();
}

Task<Result<void>> TufRepository::load(WallTime now, Deadline deadline, StopToken stop) {
  STEEPLE_CO_TRY(store, read_cache());
  STEEPLE_CO_TRY(client, TufClient::open(std::move(store), settings_.root));
  client_.emplace(std::move(client));
  if (settings_.always_update || client_->is_stale(now)) {
    STEEPLE_CO_CHECK(
        runtime::with_context(co_await update(now, deadline, stop), "updating local metadata and targets"));
  }
  co_return runtime::with_context(client_->verify(now), "error verifying local metadata; local cache may be corrupt");
}

Task<Result<void>> TufRepository::update(WallTime now, Deadline deadline, StopToken stop) {
  constexpr const char* kUpdating = "error updating to TUF remote mirror";
  STEEPLE_CO_CHECK(runtime::with_context(co_await update_roots(deadline, stop), kUpdating));
  STEEPLE_CO_CHECK(runtime::with_context(client_->finish_roots(now), kUpdating));
  STEEPLE_CO_CHECK(runtime::with_context(co_await update_metadata(now, deadline, stop), kUpdating));
  if (cache_) {
    STEEPLE_CO_CHECK(runtime::with_context(cache_->write_metadata(client_->store()), kKeeping));
  }
  for (const auto& [name, target] : client_->targets()) {
    if (kept_target(name, target)) continue;
    STEEPLE_CO_CHECK(runtime::with_context(co_await fetch_target(name, target, deadline, stop), "downloading target"));
  }
  co_return Result<void>();
}

Task<Result<void>> TufRepository::update_roots(Deadline deadline, StopToken stop) {
  for (int i = 0; i < kTufRootRotationsMax; ++i) {
    auto root = co_await get(client_->next_root_name(), kTufRootBytesMax, deadline, stop);
    if (!root && root.error().code() == ErrorCode::kNotFound) break;
    if (!root) co_return std::move(root.error());
    STEEPLE_CO_CHECK(client_->take_root(std::move(*root)));
  }
  co_return Result<void>();
}

Task<Result<void>> TufRepository::update_metadata(WallTime now, Deadline deadline, StopToken stop) {
  STEEPLE_CO_TRY(timestamp, co_await get("timestamp.json", kTufTimestampBytesMax, deadline, stop));
  STEEPLE_CO_TRY(is_new, client_->take_timestamp(std::move(timestamp), now));
  if (!is_new) co_return Result<void>();
  const TufClient::Wanted snapshot_file = client_->wanted_snapshot();
  STEEPLE_CO_TRY(snapshot, co_await get(snapshot_file.name, snapshot_file.length_max, deadline, stop));
  STEEPLE_CO_CHECK(client_->take_snapshot(std::move(snapshot), now));
  if (!client_->wants_targets()) co_return Result<void>();
  const TufClient::Wanted targets_file = client_->wanted_targets();
  STEEPLE_CO_TRY(targets, co_await get(targets_file.name, targets_file.length_max, deadline, stop));
  co_return client_->take_targets(std::move(targets), now);
}

Task<Result<void>> TufRepository::fetch_target(std::string name, TufTarget target, Deadline deadline, StopToken stop) {
  if (!is_plain_name(name)) {
    co_return Error(ErrorCode::kInvalidArgument, "tuf: a target with the name " + runtime::go_quote(name));
  }
  if (target.length > kTufTargetBytesMax) {
    co_return Error(ErrorCode::kLimit, fmt::format("tuf: {} is too large: {} bytes", name, target.length));
  }
  std::vector<std::string> places{name};
  if (client_->consistent_snapshot()) {
    places.clear();
    for (const auto& [algorithm, hash] : target.hashes) places.push_back(with_prefix(name, runtime::to_hex(hash)));
  }
  Result<std::string> bytes = Error(ErrorCode::kNotFound, "tuf: file not found: " + name);
  for (const std::string& place : places) {
    bytes = co_await get("targets/" + place, target.length, deadline, stop);
    if (bytes || bytes.error().code() != ErrorCode::kNotFound) break;
  }
  if (!bytes) co_return std::move(bytes.error());
  STEEPLE_CO_CHECK(runtime::with_context(check_target(*bytes, target), "tuf: failed to download " + name));
  if (cache_) STEEPLE_CO_CHECK(cache_->write_target(name, *bytes));
  fetched_[name] = std::move(*bytes);
  co_return Result<void>();
}

Task<Result<std::string>> TufRepository::get(std::string path, std::size_t size_max, Deadline deadline,
                                             StopToken stop) {
  const Error missing(ErrorCode::kNotFound, "tuf: missing remote metadata " + path);
  if (url_.starts_with(kFileScheme)) {
    auto file = runtime::read_file(url_.substr(kFileScheme.size()) + "/" + path, size_max);
    if (!file && file.error().code() == ErrorCode::kNotFound) co_return missing;
    co_return runtime::with_context(std::move(file), "tuf: failed to download " + path);
  }
  runtime::HttpRequest request;
  request.url = url_ + "/" + path;
  request.plain_http = true;
  request.body_size_max = size_max;
  const std::string url = request.url;
  auto answer = co_await http_.send(std::move(request), deadline, stop);
  if (!answer) co_return std::move(answer.error()).with_context("tuf: failed to download " + path);
  if (answer->status_code == 404) co_return missing;
  if (answer->status_code != 200) {
    co_return Error(ErrorCode::kUnavailable, fmt::format("tuf: failed to download {}: GET \"{}\": unexpected HTTP "
                                                         "status {}",
                                                         path, url, answer->status_code));
  }
  co_return std::move(answer->body);
}

Result<std::string> TufRepository::kept_target(const std::string& name, const TufTarget& target) const {
  const auto at = fetched_.find(name);
  if (at != fetched_.end()) return at->second;
  if (!cache_ || !is_plain_name(name)) return Error(ErrorCode::kNotFound, "missing cached target " + name);
  STEEPLE_TRY(bytes, cache_->read_target(name));
  STEEPLE_CHECK(
      runtime::with_context(check_target(bytes, target), "cache contains invalid target; local cache may be corrupt"));
  return bytes;
}

Result<std::vector<TufTargetFile>> TufRepository::targets(std::string_view usage,
                                                          const std::vector<std::string>& fallbacks) const {
  std::vector<TufTargetFile> out;
  for (const auto& [name, target] : client_->targets()) {
    if (target.usage != usage) continue;
    STEEPLE_TRY(bytes, runtime::with_context(kept_target(name, target), "error getting target " + name + " by usage"));
    out.push_back({name, std::move(bytes), target.active});
  }
  if (!out.empty()) return out;
  std::string names;
  for (const std::string& name : fallbacks) {
    names += (names.empty() ? "" : ", ") + name;
    const auto at = client_->targets().find(name);
    if (at == client_->targets().end()) continue;
    if (auto bytes = kept_target(name, at->second)) out.push_back({name, std::move(*bytes), true});
  }
  if (!out.empty()) return out;
  return Error(ErrorCode::kNotFound, "no matching targets by custom metadata, fallbacks not found: " + names);
}

}  // namespace steeple::attestation
