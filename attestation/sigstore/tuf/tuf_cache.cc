#include "attestation/sigstore/tuf/tuf_cache.h"

#include "attestation/sigstore/json_read.h"
#include "attestation/sigstore/tuf/level_db.h"
#include "runtime/os/file.h"

namespace steeple::attestation {

using runtime::Result;

namespace {

constexpr std::size_t kRemoteBytesMax = 64 * 1024;
constexpr mode_t kFolderMode = 0700;
constexpr mode_t kFileMode = 0600;

}  // namespace

std::optional<std::string> TufCache::mirror() const {
  const auto file = runtime::read_file(folder_ + "/remote.json", kRemoteBytesMax);
  if (!file) return std::nullopt;
  const simdjson::padded_string text(*file);
  simdjson::dom::parser parser;
  simdjson::dom::object remote;
  if (parser.parse(text).get_object().get(remote)) return std::nullopt;
  const auto mirror = json_read::text_of(remote, "mirror");
  return mirror ? std::optional<std::string>(*mirror) : std::nullopt;
}

Result<TufStore> TufCache::read_metadata() const { return read_level_db(folder_ + "/tuf.db"); }

Result<void> TufCache::write_metadata(const TufStore& store) const {
  return write_level_db(folder_ + "/tuf.db", store);
}

// As Go escapes a segment of a path; other characters are in no target that is fetched.
std::string TufCache::target_path(const std::string& name) const {
  std::string out = folder_ + "/targets/";
  for (char c : name) {
    if (c == '/') {
      out += "%2F";
    } else {
      out += c;
    }
  }
  return out;
}

Result<std::string> TufCache::read_target(const std::string& name) const {
  return runtime::read_file(target_path(name), kTufTargetBytesMax);
}

Result<void> TufCache::write_target(const std::string& name, std::string_view bytes) const {
  STEEPLE_CHECK(runtime::make_directories(folder_ + "/targets", kFolderMode));
  return runtime::replace_file(target_path(name), runtime::as_bytes(bytes), kFileMode);
}

}  // namespace steeple::attestation
