// A trust domain's name, by go-spiffe's rules and error texts (endpoints 2.3). A value type; empty means none.
#pragma once

#include <compare>
#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::agent {

class TrustDomain {
 public:
  TrustDomain() = default;
  // A name ("example.org") or any SPIFFE ID of the trust domain.
  static runtime::Result<TrustDomain> parse(std::string_view name_or_id);

  const std::string& name() const { return name_; }
  std::string id_string() const { return name_.empty() ? std::string() : "spiffe://" + name_; }
  bool empty() const { return name_.empty(); }
  auto operator<=>(const TrustDomain&) const = default;

 private:
  friend class SpiffeId;
  explicit TrustDomain(std::string name) : name_(std::move(name)) {}
  std::string name_;
};

bool is_trust_domain_character(char character);

}  // namespace steeple::agent
