#include "attestation/sigstore/tuf/tuf_metadata.h"

#include <fmt/format.h>

#include "attestation/sigstore/json_read.h"
#include "attestation/sigstore/tuf/canonical_json.h"
#include "runtime/core/go_time.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {
namespace {

using json_read::integer_of;
using json_read::object_of;
using json_read::text_of;
using runtime::Bytes;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::WallTime;
namespace dom = simdjson::dom;

Error malformed(std::string_view what) {
  return Error(ErrorCode::kMalformed, fmt::format("tuf: malformed metadata: {}", what));
}

Result<void> check_count(std::size_t count, std::string_view what) {
  if (count <= kTufItemsMax) return {};
  return Error(ErrorCode::kLimit, fmt::format("tuf: more than {} {}", kTufItemsMax, what));
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

// Absent is as good as null; anything else has to be an integer.
Result<std::int64_t> read_integer(dom::object from, std::string_view key) {
  const auto found = from[key];
  if (found.error() == simdjson::NO_SUCH_FIELD || found.is_null()) return std::int64_t{0};
  const auto number = integer_of(from, key);
  if (!number) return malformed(fmt::format("{} is no integer", key));
  return *number;
}

Result<std::uint64_t> read_length(dom::object from) {
  STEEPLE_TRY(length, read_integer(from, "length"));
  if (length < 0) return malformed("a negative length");
  return static_cast<std::uint64_t>(length);
}

// A time that is later than the clock's last one is that one.
Result<WallTime> read_expiry(dom::object from) {
  if (from["expires"].error() == simdjson::NO_SUCH_FIELD) return WallTime::min();
  std::string text(text_of(from, "expires").value_or(""));
  const bool far = text.size() > 4 && text.substr(0, 4) > "2260" && text.substr(0, 4) <= "9999" && text[4] == '-';
  if (far) text.replace(0, 4, "2260");
  STEEPLE_TRY(time, runtime::parse_rfc3339(text));
  return far ? WallTime::max() : time.value_or(WallTime::min());
}

Result<void> read_signatures(dom::object from, TufMetadata& out) {
  dom::array signatures;
  if (from["signatures"].get_array().get(signatures)) return malformed("no list of signatures");
  for (dom::element item : signatures) {
    dom::object signature;
    if (item.get_object().get(signature)) return malformed("a signature that is none");
    const auto bytes = runtime::hex_decode(text_of(signature, "sig").value_or("?"));
    if (!bytes) return malformed("a signature that is not in hex");
    out.signatures.push_back({std::string(text_of(signature, "keyid").value_or("")), *bytes});
    STEEPLE_CHECK(check_count(out.signatures.size(), "signatures"));
  }
  return {};
}

Result<TufHashes> read_hashes(dom::object from) {
  TufHashes hashes;
  const auto list = object_of(from, "hashes");
  if (!list) return hashes;
  for (auto [algorithm, value] : *list) {
    std::string_view text;
    if (value.get_string().get(text)) return malformed("a hash that is none");
    const auto bytes = runtime::hex_decode(text);
    if (!bytes) return malformed("a hash that is not in hex");
    hashes[std::string(algorithm)] = *bytes;
    STEEPLE_CHECK(check_count(hashes.size(), "hashes"));
  }
  return hashes;
}

Result<void> read_keys(dom::object root, TufMetadata& out) {
  const auto keys = object_of(root, "keys");
  if (!keys) return {};
  for (auto [id, value] : *keys) {
    dom::object key;
    if (value.get_object().get(key)) return malformed("a key that is none");
    const auto type = text_of(key, "keytype");
    const auto values = object_of(key, "keyval");
    const auto text = values ? text_of(*values, "public") : std::nullopt;
    if (!type || !text) return malformed("a key that is none");
    STEEPLE_TRY(parsed, parse_tuf_key(*type, *text));
    out.keys.emplace(id, std::move(parsed));
    STEEPLE_CHECK(check_count(out.keys.size(), "keys"));
  }
  return {};
}

Result<void> read_roles(dom::object root, TufMetadata& out) {
  const auto roles = object_of(root, "roles");
  if (!roles) return {};
  for (auto [name, value] : *roles) {
    dom::object role;
    if (value.get_object().get(role)) return malformed("a role that is none");
    TufRoleKeys& keys = out.roles[std::string(name)];
    STEEPLE_CHECK(check_count(out.roles.size(), "roles"));
    STEEPLE_TRY(threshold, read_integer(role, "threshold"));
    if (threshold < 1) return Error(ErrorCode::kInvalidArgument, "tuf: invalid role threshold");
    keys.threshold = threshold;
    dom::array ids;
    if (role["keyids"].get_array().get(ids)) continue;
    for (dom::element item : ids) {
      std::string_view id;
      if (item.get_string().get(id)) return malformed("a key id that is none");
      keys.key_ids.emplace(id);
      STEEPLE_CHECK(check_count(keys.key_ids.size(), "keys of a role"));
    }
  }
  return {};
}

Result<void> read_files(dom::object from, TufMetadata& out) {
  const auto files = object_of(from, "meta");
  if (!files) return {};
  for (auto [name, value] : *files) {
    dom::object file;
    if (value.get_object().get(file)) return malformed("a file that is none");
    STEEPLE_TRY(version, read_integer(file, "version"));
    STEEPLE_TRY(length, read_length(file));
    STEEPLE_TRY(hashes, read_hashes(file));
    out.files[std::string(name)] = {version, length, std::move(hashes)};
    STEEPLE_CHECK(check_count(out.files.size(), "files"));
  }
  return {};
}

// A usage or a status that is not known takes the target out of every choice.
void read_custom(dom::object target, TufTarget& out) {
  const auto custom = object_of(target, "custom");
  const auto sigstore = custom ? object_of(*custom, "sigstore") : std::nullopt;
  if (!sigstore) return;
  const std::string usage = lower(text_of(*sigstore, "usage").value_or("unknown"));
  const std::string status = lower(text_of(*sigstore, "status").value_or("unknown"));
  const bool known = (status == "active" || status == "expired" || status == "unknown") &&
                     (usage == "fulcio" || usage == "rekor" || usage == "ctfe" || usage == "tsa");
  if (!known) return;
  out.usage = usage;
  out.active = status == "active";
}

Result<void> read_targets(dom::object from, TufMetadata& out) {
  const auto targets = object_of(from, "targets");
  if (!targets) return {};
  for (auto [name, value] : *targets) {
    dom::object target;
    if (value.get_object().get(target)) return malformed("a target that is none");
    TufTarget& read = out.targets[std::string(name)];
    STEEPLE_TRY(length, read_length(target));
    STEEPLE_TRY(hashes, read_hashes(target));
    read.length = length;
    read.hashes = std::move(hashes);
    read_custom(target, read);
    STEEPLE_CHECK(check_count(out.targets.size(), "targets"));
  }
  return {};
}

Result<void> read_signed(dom::object from, TufMetadata& out) {
  out.type = lower(text_of(from, "_type").value_or(""));
  STEEPLE_TRY(version, read_integer(from, "version"));
  STEEPLE_TRY(expires, read_expiry(from));
  out.version = version;
  out.expires = expires;
  bool consistent = false;
  out.consistent_snapshot = !from["consistent_snapshot"].get_bool().get(consistent) && consistent;
  if (out.type == "root") {
    STEEPLE_CHECK(read_keys(from, out));
    return read_roles(from, out);
  }
  if (out.type == "targets") return read_targets(from, out);
  return read_files(from, out);
}

}  // namespace

std::string_view to_string(TufRole role) {
  switch (role) {
    case TufRole::kRoot:
      return "root";
    case TufRole::kTimestamp:
      return "timestamp";
    case TufRole::kSnapshot:
      return "snapshot";
    case TufRole::kTargets:
      break;
  }
  return "targets";
}

std::string tuf_file_name(TufRole role) { return std::string(to_string(role)) + ".json"; }

Result<TufMetadata> parse_tuf_metadata(std::string_view json) {
  if (json.size() > kTufMetadataBytesMax) return Error(ErrorCode::kLimit, "tuf: the metadata is too large");
  const simdjson::padded_string text(json);
  dom::parser parser(kTufMetadataBytesMax + simdjson::SIMDJSON_PADDING);
  dom::object whole;
  if (parser.parse(text).get_object().get(whole)) return malformed("not a JSON object");
  const auto signed_part = object_of(whole, "signed");
  if (!signed_part) return malformed("nothing is signed");
  TufMetadata out;
  STEEPLE_TRY(canonical, canonical_json(dom::element(whole["signed"].value_unsafe())));
  out.signed_bytes = std::move(canonical);
  STEEPLE_CHECK(read_signatures(whole, out));
  STEEPLE_CHECK(read_signed(*signed_part, out));
  return out;
}

Result<void> check_tuf_hashes(std::string_view bytes, const TufHashes& hashes) {
  for (const auto& [algorithm, wanted] : hashes) {
    Bytes actual;
    if (algorithm == "sha256") {
      const auto digest = runtime::sha256(runtime::as_bytes(bytes));
      actual.assign(digest.begin(), digest.end());
    } else if (algorithm == "sha512") {
      const auto digest = runtime::sha512(runtime::as_bytes(bytes));
      actual.assign(digest.begin(), digest.end());
    } else {
      return Error(ErrorCode::kInvalidArgument, "unknown hash algorithm: " + algorithm);
    }
    if (actual != wanted) {
      return Error(ErrorCode::kUnauthenticated, fmt::format("wrong {} hash, expected {} got {}", algorithm,
                                                            runtime::to_hex(wanted), runtime::to_hex(actual)));
    }
  }
  return {};
}

}  // namespace steeple::attestation
