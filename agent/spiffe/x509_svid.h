// An X509-SVID: chain, private key and what its certificate says. Made only through checks (leaf rules, key and
// certificate belong together), so that nothing broken is ever served; that it is the expected SPIFFE ID and unexpired
// is the caller's to check against what it asked for (server-sync 3.6). Immutable, shared; any thread.
#pragma once

#include <memory>
#include <string>

#include "agent/spiffe/spiffe_id.h"
#include "runtime/tls/x509.h"

namespace steeple::agent {

class X509Svid {
 public:
  // `chain`: concatenated DER, leaf first. The key must be the leaf's. Checks the leaf as check_leaf does.
  static runtime::Result<std::shared_ptr<const X509Svid>> make(runtime::BytesView chain, runtime::SecretBytes pkcs8,
                                                               runtime::BytesView public_key);
  static runtime::Result<std::shared_ptr<const X509Svid>> make(runtime::BytesView chain,
                                                               const runtime::PrivateKey& key);

  const SpiffeId& id() const { return id_; }
  const runtime::Bytes& chain() const { return chain_; }  // concatenated DER
  runtime::BytesView leaf() const { return runtime::BytesView(chain_).first(leaf_size_); }
  const runtime::SecretBytes& key() const { return key_; }  // PKCS#8 DER
  runtime::WallTime not_before() const { return not_before_; }
  runtime::WallTime not_after() const { return not_after_; }
  bool expired(runtime::WallTime now) const { return now >= not_after_; }
  std::string serial_decimal() const;  // parses the leaf

  X509Svid(const X509Svid&) = delete;
  X509Svid& operator=(const X509Svid&) = delete;

 private:
  X509Svid() = default;
  SpiffeId id_;
  runtime::Bytes chain_;
  std::size_t leaf_size_ = 0;
  runtime::SecretBytes key_;
  runtime::WallTime not_before_;
  runtime::WallTime not_after_;
};

// The SPIFFE ID of a certificate: exactly one URI SAN, and a valid one. Texts are go-spiffe's.
runtime::Result<SpiffeId> spiffe_id_of(const runtime::Certificate& certificate);

// Leaf rules of X509-SVIDs: not a CA, neither keyCertSign nor cRLSign.
runtime::Result<void> check_leaf(const runtime::Certificate& leaf);

}  // namespace steeple::agent
