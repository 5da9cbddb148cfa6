// A JwtSource that gives a token per entry and audience, refuses an audience of empty names as a server does, or fails
// as told.
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "agent/cache/jwt_source.h"

namespace steeple::tests {

class FakeJwtSource final : public agent::JwtSource {
 public:
  struct Asked {
    std::string entry_id;
    std::vector<std::string> audience;
  };
  std::vector<Asked> asked;
  std::optional<runtime::Error> fail;

  runtime::Task<runtime::Result<agent::SharedJwtSvid>> fetch(agent::SharedEntry entry,
                                                             std::vector<std::string> audience, runtime::Deadline,
                                                             runtime::StopToken) override {
    asked.push_back({entry->id, audience});
    if (fail) co_return *fail;
    bool named = std::any_of(audience.begin(), audience.end(), [](const std::string& name) { return !name.empty(); });
    if (!named) {
      co_return runtime::Error(runtime::ErrorCode::kInternal,
                               "failed to fetch JWT SVID: rpc error: code = Internal desc = failed to sign JWT-SVID: "
                               "invalid JWT-SVID audience: cannot be empty");
    }
    auto now = std::chrono::system_clock::now();
    std::string token = fmt::format("token for {}", entry->spiffe_id.text());
    co_return std::make_shared<const agent::JwtSvid>(entry->spiffe_id, runtime::SecretBytes(runtime::as_bytes(token)),
                                                     now, now + std::chrono::minutes(5));
  }
};

}  // namespace steeple::tests
