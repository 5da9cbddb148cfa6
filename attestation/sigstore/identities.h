// Which signers are allowed: `allowed_identities`, issuer to subjects, each exact or a regular expression. A value that
// shares its compiled patterns; pure functions, any thread.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr int kPatternMemoryMax = 1 << 20;  // bytes, of one compiled pattern

class AllowedIdentities {
 public:
  // A text with one of *+?^${}[]|() is a pattern (RE2), which may match anywhere in the name. A pattern that cannot be
  // compiled fails every check, as upstream finds it out; nothing is allowed by its neighbours meanwhile.
  static AllowedIdentities make(const std::map<std::string, std::vector<std::string>>& configured);

  // Some identity's issuer is this one, and its subject one of these. Without any identity everybody is allowed; an
  // empty text in an identity allows all, too. kDenied otherwise, naming what the certificate says.
  runtime::Result<void> check(const std::vector<std::string>& subjects, const std::string& issuer) const;

 private:
  struct Identity;
  std::shared_ptr<const std::vector<Identity>> identities_;
  std::optional<runtime::Error> malformed_;
};

}  // namespace steeple::attestation
