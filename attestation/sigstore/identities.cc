#include "attestation/sigstore/identities.h"

#include <fmt/format.h>
#include <re2/re2.h>

#include <algorithm>

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

class Pattern {
 public:
  explicit Pattern(const std::string& text) : text_(text) {
    if (text.find_first_of("*+?^${}[]|()") == std::string::npos) return;
    re2::RE2::Options options;
    options.set_max_mem(kPatternMemoryMax);
    options.set_log_errors(false);
    expression_ = std::make_unique<re2::RE2>(text, options);
  }

  bool matches(const std::string& name) const {
    if (expression_) return re2::RE2::PartialMatch(name, *expression_);
    return text_.empty() || text_ == name;
  }
  // Nothing to match means that even a certificate without names will do.
  bool matches_any(const std::vector<std::string>& names) const {
    if (text_.empty()) return true;
    return std::any_of(names.begin(), names.end(), [this](const std::string& name) { return matches(name); });
  }
  std::optional<Error> malformed(std::string_view what) const {
    if (!expression_ || expression_->ok()) return std::nullopt;
    return Error(ErrorCode::kInvalidArgument, fmt::format("malformed {} in identity: {} : error parsing regexp: {}",
                                                          what, text_, expression_->error()));
  }

 private:
  std::string text_;
  std::unique_ptr<re2::RE2> expression_;
};

}  // namespace

struct AllowedIdentities::Identity {
  Pattern issuer;
  Pattern subject;
};

AllowedIdentities AllowedIdentities::make(const std::map<std::string, std::vector<std::string>>& configured) {
  std::vector<Identity> identities;
  AllowedIdentities allowed;
  for (const auto& [issuer, subjects] : configured) {
    for (const std::string& subject : subjects) {
      Identity identity{Pattern(issuer), Pattern(subject)};
      if (!allowed.malformed_) allowed.malformed_ = identity.issuer.malformed("issuer");
      if (!allowed.malformed_) allowed.malformed_ = identity.subject.malformed("subject");
      identities.push_back(std::move(identity));
    }
  }
  allowed.identities_ = std::make_shared<const std::vector<Identity>>(std::move(identities));
  return allowed;
}

Result<void> AllowedIdentities::check(const std::vector<std::string>& subjects, const std::string& issuer) const {
  if (malformed_) return *malformed_;
  if (identities_->empty()) return {};
  for (const Identity& identity : *identities_) {
    if (identity.issuer.matches(issuer) && identity.subject.matches_any(subjects)) return {};
  }
  return Error(ErrorCode::kDenied, fmt::format("none of the expected identities matched what was in the certificate, "
                                               "got subjects [{}] with issuer {}",
                                               fmt::join(subjects, ", "), issuer));
}

}  // namespace steeple::attestation
