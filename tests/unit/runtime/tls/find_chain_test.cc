// The path itself: its members and their order.
#include "runtime/tls/find_chain.h"

#include <catch2/catch.hpp>

#include "tests/fakes/test_pki.h"

using namespace steeple::runtime;
using namespace steeple::testing;
using std::chrono_literals::operator""h;

namespace {

Authority below(const Authority& parent, const std::string& name) {
  PrivateKey key = new_key();
  CertificateTemplate wanted = authority_template(key, test_now());
  wanted.subject = {{NameAttribute::Type::kOrganization, name}};
  return Authority{key, sign(wanted, parent.key, &parent.certificate)};
}

}  // namespace

TEST_CASE("a path is told from the leaf to the root, without who is not on it") {
  Authority root = new_authority();
  Authority unused = below(root, "unused");
  Authority upper = below(root, "upper");
  Authority lower = below(upper, "lower");
  PrivateKey key = new_key();
  Certificate leaf = sign(leaf_template(key, "spiffe://example.org/a", test_now()), lower.key, &lower.certificate);
  Authority other = new_authority();
  Result<Certificates> path = find_chain(leaf, {unused.certificate, upper.certificate, lower.certificate},
                                         {other.certificate, root.certificate}, test_now());
  REQUIRE(path);
  CHECK(*path == Certificates{leaf, lower.certificate, upper.certificate, root.certificate});
  CHECK(*find_chain(root.certificate, {}, {root.certificate}, test_now()) == Certificates{root.certificate});
}

TEST_CASE("a path that does not reach a root, or not today, is refused as ever") {
  Authority root = new_authority();
  Authority middle = below(root, "middle");
  PrivateKey key = new_key();
  Certificate leaf = sign(leaf_template(key, "spiffe://example.org/a", test_now()), middle.key, &middle.certificate);
  CHECK(find_chain(leaf, {}, {root.certificate}, test_now()).error().code() == ErrorCode::kUntrusted);
  CHECK(find_chain(leaf, {middle.certificate}, {root.certificate}, test_now() + 48h).error().code() == ErrorCode::kTls);
}
