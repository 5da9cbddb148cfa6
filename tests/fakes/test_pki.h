// Authorities and leaves for tests, signed by the real code. Header only.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "runtime/core/assert.h"
#include "runtime/tls/client_context.h"
#include "runtime/tls/x509.h"

namespace steeple::testing {

struct Leaf {
  runtime::Certificate certificate;
  runtime::PrivateKey key;
};

struct Authority {
  runtime::PrivateKey key;
  runtime::Certificate certificate;
};

inline runtime::PrivateKey new_key(runtime::KeyType type = runtime::KeyType::kEcP256) {
  auto key = runtime::PrivateKey::generate(type);
  STEEPLE_ASSERT(key.has_value());
  return std::move(*key);
}

inline runtime::WallTime test_now() { return runtime::WallTime(std::chrono::seconds(1767323045)); }  // 2026-01-02

inline runtime::Certificate sign(const runtime::CertificateTemplate& wanted, const runtime::PrivateKey& key,
                                 const runtime::Certificate* issuer) {
  auto certificate = runtime::sign_certificate(wanted, key, issuer);
  STEEPLE_ASSERT(certificate.has_value());
  return std::move(*certificate);
}

inline runtime::CertificateTemplate authority_template(const runtime::PrivateKey& key, runtime::WallTime now) {
  runtime::CertificateTemplate wanted;
  wanted.serial = runtime::random_serial();
  wanted.not_before = now - std::chrono::seconds(10);
  wanted.not_after = now + std::chrono::hours(24);
  wanted.subject = {{runtime::NameAttribute::Type::kCountry, "US"},
                    {runtime::NameAttribute::Type::kOrganization, "SPIFFE"}};
  wanted.uri_sans = {"spiffe://example.org"};
  wanted.is_ca = true;
  wanted.key_usage = runtime::kKeyCertSign | runtime::kCrlSign;
  wanted.public_key = key.public_key();
  return wanted;
}

inline Authority new_authority(runtime::WallTime now = test_now(), runtime::KeyType type = runtime::KeyType::kEcP256) {
  runtime::PrivateKey key = new_key(type);
  return Authority{key, sign(authority_template(key, now), key, nullptr)};
}

inline runtime::CertificateTemplate leaf_template(const runtime::PrivateKey& key, const std::string& uri,
                                                  runtime::WallTime now) {
  runtime::CertificateTemplate wanted;
  wanted.serial = runtime::random_serial();
  wanted.not_before = now - std::chrono::seconds(10);
  wanted.not_after = now + std::chrono::hours(1);
  wanted.subject = {{runtime::NameAttribute::Type::kCountry, "US"},
                    {runtime::NameAttribute::Type::kOrganization, "SPIRE"}};
  if (!uri.empty()) wanted.uri_sans = {uri};
  wanted.key_usage = runtime::kDigitalSignature | runtime::kKeyEncipherment | runtime::kKeyAgreement;
  wanted.server_and_client_auth = true;
  wanted.public_key = key.public_key();
  return wanted;
}

inline Leaf new_leaf(const Authority& authority, const std::string& uri, runtime::WallTime now = test_now()) {
  runtime::PrivateKey key = new_key();
  return Leaf{sign(leaf_template(key, uri, now), authority.key, &authority.certificate), key};
}

inline runtime::TlsIdentity identity_of(const Leaf& leaf) {
  return runtime::TlsIdentity{{runtime::to_bytes(leaf.certificate.der())}, leaf.key};
}

}  // namespace steeple::testing
