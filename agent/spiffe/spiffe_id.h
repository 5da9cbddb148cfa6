// A SPIFFE ID, by go-spiffe's rules and exact error texts (endpoints 2.3). A value type; empty means none.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "agent/spiffe/trust_domain.h"

namespace steeple::agent {

class SpiffeId {
 public:
  SpiffeId() = default;
  static runtime::Result<SpiffeId> parse(std::string_view text);
  // `path` is empty, or "/a/b" without a trailing slash.
  static runtime::Result<SpiffeId> make(const TrustDomain& trust_domain, std::string_view path);

  const std::string& text() const { return text_; }
  TrustDomain trust_domain() const;
  std::string_view trust_domain_name() const;
  std::string_view path() const;
  bool member_of(const TrustDomain& trust_domain) const { return trust_domain_name() == trust_domain.name(); }
  bool empty() const { return text_.empty(); }
  auto operator<=>(const SpiffeId&) const = default;

 private:
  SpiffeId(std::string text, std::size_t path_at) : text_(std::move(text)), path_at_(path_at) {}
  std::string text_;
  std::size_t path_at_ = 0;
};

runtime::Result<void> validate_path(std::string_view path);

// Names that SPIRE gives a meaning.
SpiffeId server_id(const TrustDomain& trust_domain);  // spiffe://TD/spire/server
bool is_agent_path(std::string_view path);            // below /spire/agent/
bool is_reserved_path(std::string_view path);         // /spire, and all below it

}  // namespace steeple::agent
