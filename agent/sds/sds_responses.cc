#include "agent/sds/sds_responses.h"

#include <algorithm>
#include <array>

#include "runtime/tls/encoding.h"

namespace steeple::agent {

using runtime::Result;
using runtime::grpc::Status;

namespace {

// 8 lower-case hex digits. Random, so that one of before a restart is not taken for one of after it.
std::string make_nonce() {
  std::array<std::uint8_t, 4> bytes;
  runtime::random_bytes(bytes);
  return runtime::to_hex(bytes);
}

}  // namespace

bool SdsResponses::Kept::is_for(const SdsQuestion& question) const {
  return !update.owner_before(question.update) && !question.update.owner_before(update) &&
         spiffe_validator == question.spiffe_validator && version_info == question.version_info &&
         type_url == question.type_url && names == question.names;
}

Result<SdsAnswer, Status> SdsResponses::encode(const SdsQuestion& question, std::string nonce) const {
  auto secrets = choose_secrets(*question.update, question.names, options_);
  if (!secrets) return std::move(secrets.error());
  auto message = encode_secrets(*secrets, question.spiffe_validator, {question.version_info, question.type_url, nonce});
  if (!message) return std::move(message.error());
  return SdsAnswer{std::move(*message), std::move(nonce), secrets->size()};
}

Result<SdsAnswer, Status> SdsResponses::answer_once(const SdsQuestion& question) const { return encode(question, {}); }

Result<SdsAnswer, Status> SdsResponses::answer(const SdsQuestion& question, bool fresh) {
  if (fresh) return encode(question, make_nonce());
  auto known = std::find_if(kept_.begin(), kept_.end(), [&](const Kept& kept) { return kept.is_for(question); });
  if (known != kept_.end()) {
    std::rotate(known, known + 1, kept_.end());
    return kept_.back().answer;
  }
  forget_unused();
  auto made = encode(question, make_nonce());
  if (!made) return made;
  if (kept_.size() == kSdsResponsesKept) kept_.erase(kept_.begin());
  kept_.push_back(
      {question.update, question.names, question.spiffe_validator, question.version_info, question.type_url, *made});
  return made;
}

void SdsResponses::forget_unused() {
  std::erase_if(kept_, [](const Kept& kept) { return kept.update.expired(); });
}

}  // namespace steeple::agent
