// A signed JWT in compact form, taken apart as go-jose does it, with its texts (endpoints 2.5). Nothing is believed
// yet: verify() says whether a key signed it. Pure, any thread.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "agent/spiffe/json_value.h"
#include "runtime/core/bytes.h"
#include "runtime/core/result.h"
#include "runtime/tls/keys.h"

namespace steeple::agent {

inline constexpr std::size_t kJwtSizeMax = 1024 * 1024;

class JwtToken {
 public:
  // ES256/384/512, RS256/384/512, PS256/384/512; others are refused, `none` among them. An embedded key is not used.
  static runtime::Result<JwtToken> parse(std::string_view token);

  const std::string& key_id() const { return key_id_; }  // empty: the header has none
  runtime::BytesView payload() const { return payload_; }

  // Whether the key (SubjectPublicKeyInfo DER) made the signature, whatever `kid` says. kUnauthenticated with go-jose's
  // text otherwise, and for a critical header that is not understood.
  runtime::Result<void> verify(runtime::BytesView spki) const;

 private:
  JwtToken() = default;
  runtime::Result<void> read_header(std::string_view json);
  runtime::Result<void> read_member(const JsonMember& member, std::string_view raw);
  runtime::Result<runtime::Bytes> signature_der() const;

  std::string algorithm_;
  std::string key_id_;
  bool payload_plain_ = false;                      // the header `b64` is false
  std::optional<runtime::Error> critical_refused_;  // told when the signature is looked at
  bool unusable_ = false;                           // no signature can be right
  runtime::Bytes header_;
  runtime::Bytes payload_;
  runtime::Bytes signature_;
};

}  // namespace steeple::agent
