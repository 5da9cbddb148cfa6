// What the server issues, field by field (server-sync 8.5 and 8.6). Pure functions, any thread: batches are signed on a
// worker.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "runtime/core/clock.h"
#include "runtime/tls/x509.h"

namespace steeple::devserver {

inline constexpr std::chrono::seconds kBackdate{10};

// The key that signs, and the certificate it is known by.
class X509Issuer {
 public:
  X509Issuer(runtime::Certificate issuer_certificate, runtime::PrivateKey issuer_key)
      : certificate(std::move(issuer_certificate)), key(std::move(issuer_key)) {}
  runtime::Certificate certificate;
  runtime::PrivateKey key;
};

struct SvidRequest {
  std::string spiffe_id;
  runtime::Bytes public_key;  // SubjectPublicKeyInfo DER
  std::chrono::seconds ttl{0};
  std::vector<std::string> dns_names;
};

// Names of an authority, before its serial number.
struct AuthoritySubject {
  std::vector<std::string> country{"US"};
  std::vector<std::string> organization{"SPIFFE"};
  std::string common_name;
  bool empty() const { return country.empty() && organization.empty() && common_name.empty(); }
};

// A self-signed authority of the trust domain ("spiffe://example.org").
runtime::Result<runtime::Certificate> make_authority(const runtime::PrivateKey& key, const std::string& trust_domain_id,
                                                     std::chrono::seconds ttl, runtime::WallTime now,
                                                     const AuthoritySubject& subject = {});
// Expires with its issuer at the latest.
runtime::Result<runtime::Certificate> sign_svid(const X509Issuer& issuer, const SvidRequest& request,
                                                runtime::WallTime now);

struct JwtRequest {
  std::string spiffe_id;
  std::vector<std::string> audience;
  std::int64_t issued_at = 0;
  std::int64_t expires_at = 0;
  bool with_jti = false;
};
// A compact JWS, ES256. `key` is P-256.
runtime::Result<std::string> sign_jwt(const runtime::PrivateKey& key, const std::string& key_id,
                                      const JwtRequest& request);

std::string random_key_id();  // 32 characters [a-zA-Z0-9]
std::string random_uuid();    // version 4
std::string decimal_of(runtime::BytesView big_endian);
std::int64_t unix_seconds(runtime::WallTime time);

}  // namespace steeple::devserver
