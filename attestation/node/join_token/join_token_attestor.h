// Node attestor join_token (attestation 3.2): the token is the whole payload, there are no challenges. Without a token
// the plugin may be configured, but every attestation fails. The token is wiped with the object and never logged.
#pragma once

#include <memory>
#include <string_view>

#include "attestation/node/attestor.h"

namespace steeple::attestation {

inline constexpr std::string_view kJoinTokenName = "join_token";

struct JoinTokenConfig {
  JoinTokenConfig() = default;
  explicit JoinTokenConfig(runtime::SecretBytes join_token) : token(std::move(join_token)) {}
  runtime::SecretBytes token;  // empty: none was given
};

runtime::Result<std::unique_ptr<NodeAttestor>> make_join_token_attestor(JoinTokenConfig config);

}  // namespace steeple::attestation
