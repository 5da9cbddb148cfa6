#include "agent/spiffe/x509_svid.h"

#include <algorithm>
#include <optional>

#include "runtime/tls/plain_leaf.h"

namespace steeple::agent {

using runtime::Bytes;
using runtime::Certificate;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Result<SpiffeId> spiffe_id_of(const Certificate& certificate) {
  if (certificate.uri_sans().empty()) return Error(ErrorCode::kMalformed, "certificate contains no URI SAN");
  if (certificate.uri_sans().size() > 1) {
    return Error(ErrorCode::kMalformed, "certificate contains more than one URI SAN");
  }
  return SpiffeId::parse(certificate.uri_sans().front());
}

Result<void> check_leaf(const Certificate& leaf) {
  if (leaf.is_ca()) return Error(ErrorCode::kMalformed, "leaf certificate with CA flag set to true");
  unsigned usage = leaf.key_usage().value_or(0);
  if (usage & runtime::kKeyCertSign) {
    return Error(ErrorCode::kMalformed, "leaf certificate with KeyCertSign key usage");
  }
  if (usage & runtime::kCrlSign) return Error(ErrorCode::kMalformed, "leaf certificate with KeyCrlSign key usage");
  return {};
}

namespace {

struct LeafFacts {
  SpiffeId id;
  std::size_t size = 0;
  runtime::WallTime not_before;
  runtime::WallTime not_after;
};

// A plain leaf for this key in its usual encoding; everything else takes the long way.
std::optional<LeafFacts> facts_of_plain(runtime::BytesView leaf, runtime::BytesView public_key) {
  const std::optional<runtime::PlainLeaf> plain = runtime::read_plain_leaf(leaf);
  if (!plain || public_key.empty()) return std::nullopt;
  const runtime::BytesView held = plain->public_key;
  if (!std::equal(held.begin(), held.end(), public_key.begin(), public_key.end())) return std::nullopt;
  Result<SpiffeId> id = SpiffeId::parse(plain->uri);
  if (!id) return std::nullopt;
  return LeafFacts{std::move(*id), leaf.size(), plain->not_before, plain->not_after};
}

Result<LeafFacts> facts_of(const Certificate& leaf, runtime::BytesView public_key) {
  STEEPLE_TRY(id, with_context(spiffe_id_of(leaf), "could not get leaf SPIFFE ID"));
  STEEPLE_CHECK(check_leaf(leaf));
  if (!runtime::same_public_key(leaf.public_key(), public_key)) {
    return Error(ErrorCode::kMalformed, "leaf certificate does not match private key");
  }
  return LeafFacts{std::move(id), leaf.der().size(), leaf.not_before(), leaf.not_after()};
}

// One CA signs leaf after leaf: the certificates that follow are mostly those that were parsed before.
Result<void> check_intermediates(runtime::BytesView chain) {
  constexpr std::size_t kRememberedMax = 16 * 1024;
  thread_local Bytes good;
  if (chain.empty() || std::equal(chain.begin(), chain.end(), good.begin(), good.end())) return {};
  STEEPLE_CHECK(runtime::parse_certificate_chain(chain));
  if (chain.size() <= kRememberedMax) good = runtime::to_bytes(chain);
  return {};
}

Result<LeafFacts> check_chain(runtime::BytesView chain, runtime::BytesView public_key) {
  STEEPLE_TRY(parts, runtime::split_certificate_chain(chain));
  if (parts.empty()) return Error(ErrorCode::kMalformed, "empty certificate chain");
  const Bytes& first = parts.front();
  if (std::optional<LeafFacts> facts = facts_of_plain(first, public_key)) {
    STEEPLE_CHECK(check_intermediates(chain.subspan(first.size())));
    return std::move(*facts);
  }
  STEEPLE_TRY(leaf, Certificate::parse(first));
  STEEPLE_CHECK(check_intermediates(chain.subspan(first.size())));
  return facts_of(leaf, public_key);
}

}  // namespace

Result<std::shared_ptr<const X509Svid>> X509Svid::make(runtime::BytesView chain, runtime::SecretBytes pkcs8,
                                                       runtime::BytesView public_key) {
  STEEPLE_TRY(leaf, check_chain(chain, public_key));
  std::shared_ptr<X509Svid> svid(new X509Svid());
  svid->id_ = std::move(leaf.id);
  svid->chain_ = runtime::to_bytes(chain);
  svid->leaf_size_ = leaf.size;
  svid->key_ = std::move(pkcs8);
  svid->not_before_ = leaf.not_before;
  svid->not_after_ = leaf.not_after;
  return std::shared_ptr<const X509Svid>(std::move(svid));
}

Result<std::shared_ptr<const X509Svid>> X509Svid::make(runtime::BytesView chain, const runtime::PrivateKey& key) {
  return make(chain, key.to_pkcs8().clone(), key.public_key());
}

std::string X509Svid::serial_decimal() const {
  Result<Certificate> certificate = Certificate::parse(leaf());
  return certificate ? certificate->serial_decimal() : std::string();
}

}  // namespace steeple::agent
