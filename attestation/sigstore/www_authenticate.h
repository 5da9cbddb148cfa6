// The header WWW-Authenticate of a registry (RFC 9110, 11.6.1, as go-containerregistry reads it: one challenge a
// header). Pure. Foreign input.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steeple::attestation {

inline constexpr std::size_t kChallengeParametersMax = 32;

struct Challenge {
  std::string scheme;                             // in lower case: "bearer", "basic"
  std::map<std::string, std::string> parameters;  // names in lower case

  const std::string* find(const std::string& name) const;
};

// Nothing: it does not begin with a scheme. Parameters end where the text stops being one.
std::optional<Challenge> parse_challenge(std::string_view header);

// Of several, the first that a client can answer (basic or bearer), else the first one.
std::optional<Challenge> pick_challenge(const std::vector<std::string>& headers);

}  // namespace steeple::attestation
