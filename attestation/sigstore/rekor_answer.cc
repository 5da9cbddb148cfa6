#include "attestation/sigstore/rekor_answer.h"

#include <fmt/format.h>

#include <algorithm>

#include "attestation/sigstore/json_read.h"
#include "runtime/core/log.h"
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
namespace dom = simdjson::dom;

constexpr std::size_t kLeafHexSize = 64;
constexpr std::size_t kEntryHexSize = 80;  // after the tree's id
constexpr std::size_t kRefusalTextMax = 512;

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

std::optional<InclusionProof> read_proof(dom::object verification) {
  const auto from = object_of(verification, "inclusionProof");
  if (!from) return std::nullopt;
  const auto index = integer_of(*from, "logIndex");
  const auto size = integer_of(*from, "treeSize");
  const auto root = text_of(*from, "rootHash");
  if (!index || !size || !root || *index < 0 || *size < 0) return std::nullopt;
  InclusionProof proof{static_cast<std::uint64_t>(*index), static_cast<std::uint64_t>(*size), {}, {}};
  auto root_hash = runtime::hex_decode(*root);
  if (!root_hash) return std::nullopt;
  proof.root_hash = std::move(*root_hash);
  dom::array hashes;
  if ((*from)["hashes"].get_array().get(hashes)) return proof;
  if (hashes.size() > kAuditPathMax) return std::nullopt;
  for (dom::element item : hashes) {
    std::string_view text;
    if (item.get_string().get(text)) return std::nullopt;
    auto hash = runtime::hex_decode(text);
    if (!hash) return std::nullopt;
    proof.hashes.push_back(std::move(*hash));
  }
  return proof;
}

LoggedEntry read_entry(std::string_view uuid, dom::object from) {
  LoggedEntry logged;
  logged.uuid = uuid;
  logged.entry.body = text_of(from, "body").value_or("");
  logged.entry.integrated_time = integer_of(from, "integratedTime").value_or(0);
  logged.entry.log_index = integer_of(from, "logIndex").value_or(0);
  logged.entry.log_id = lower(text_of(from, "logID").value_or(""));
  if (const auto verification = object_of(from, "verification")) {
    logged.entry.signed_entry_timestamp = text_of(*verification, "signedEntryTimestamp").value_or("");
    logged.proof = read_proof(*verification);
  }
  return logged;
}

bool is_named_by_its_leaf(const LoggedEntry& logged) {
  std::string_view uuid = logged.uuid;
  if (uuid.size() != kLeafHexSize && uuid.size() != kEntryHexSize) return false;
  const auto body = runtime::base64_decode(logged.entry.body);
  if (!body) return false;
  return runtime::to_hex(merkle_leaf_hash(*body)) == lower(uuid.substr(uuid.size() - kLeafHexSize));
}

Result<void> verify(const LoggedEntry& logged, const std::vector<LogKey>& keys, const RekorEntryCheck& check) {
  if (!logged.proof) return Error(ErrorCode::kUnauthenticated, "inclusion proof not provided");
  STEEPLE_TRY(body, runtime::base64_decode(logged.entry.body));
  STEEPLE_CHECK(verify_inclusion(body, *logged.proof));
  const bool known =
      std::any_of(keys.begin(), keys.end(), [&](const LogKey& key) { return key.id == logged.entry.log_id; });
  if (!known) {
    return Error(ErrorCode::kUnauthenticated,
                 "rekor log public key not found for payload. Check your TUF root (see cosign initialize) or set a "
                 "custom key with env var SIGSTORE_REKOR_PUBLIC_KEY");
  }
  return check(logged.entry);
}

}  // namespace

Result<std::vector<LoggedEntry>> parse_rekor_answer(std::string_view json) {
  if (json.size() > kRekorAnswerBytesMax) return Error(ErrorCode::kLimit, "the answer of Rekor is too large");
  const simdjson::padded_string text(json);
  dom::parser parser(kRekorAnswerBytesMax + simdjson::SIMDJSON_PADDING);
  dom::array answer;
  if (parser.parse(text).get_array().get(answer)) {
    return Error(ErrorCode::kMalformed, "the answer of Rekor is not a list of entries");
  }
  std::vector<LoggedEntry> entries;
  for (dom::element item : answer) {
    dom::object named;
    if (item.get_object().get(named)) return Error(ErrorCode::kMalformed, "an entry in the answer of Rekor is none");
    for (auto [uuid, value] : named) {
      dom::object entry;
      if (value.get_object().get(entry)) return Error(ErrorCode::kMalformed, "an entry in the answer of Rekor is none");
      if (entries.size() == kRekorEntriesMax)
        return Error(ErrorCode::kLimit, "too many entries in the answer of Rekor");
      entries.push_back(read_entry(uuid, entry));
    }
  }
  return entries;
}

std::string rekor_refusal(std::string_view json) {
  const simdjson::padded_string text(json);
  dom::parser parser(kRekorAnswerBytesMax + simdjson::SIMDJSON_PADDING);
  dom::object refusal;
  if (json.size() > kRekorAnswerBytesMax || parser.parse(text).get_object().get(refusal)) {
    return std::string(json.substr(0, kRefusalTextMax));
  }
  const std::string message(text_of(refusal, "message").value_or("").substr(0, kRefusalTextMax));
  return fmt::format(R"({{"code":{},"message":{}}})", integer_of(refusal, "code").value_or(0),
                     runtime::json_string(message));
}

Result<RekorEntry> earliest_entry(const std::vector<LoggedEntry>& entries, const std::vector<LogKey>& keys,
                                  const RekorEntryCheck& check) {
  if (entries.empty()) return Error(ErrorCode::kNotFound, "signature not found in transparency log");
  const RekorEntry* earliest = nullptr;
  std::string reasons;
  for (const LoggedEntry& logged : entries) {
    if (!is_named_by_its_leaf(logged)) continue;
    if (auto good = verify(logged, keys, check); !good) {
      reasons += (reasons.empty() ? "" : ", ") + good.error().message();
    } else if (!earliest || logged.entry.integrated_time < earliest->integrated_time) {
      earliest = &logged.entry;
    }
  }
  if (earliest) return *earliest;
  return Error(ErrorCode::kUnauthenticated, reasons.empty() ? "no valid tlog entries found with proposed entry"
                                                            : "no valid tlog entries found " + reasons);
}

}  // namespace steeple::attestation
