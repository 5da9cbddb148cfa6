#include "agent/server/bundle_answers.h"

#include <catch2/catch.hpp>

#include "tests/fakes/entries.h"

namespace steeple::agent {
namespace {

using runtime::Bytes;

Bundle bundle_of(const char* name) { return Bundle(tests::trust_domain(name)); }

}  // namespace

TEST_CASE("BundleAnswers knows an answer by its bytes") {
  BundleAnswers answers;
  const Bytes first{1, 2, 3}, longer{1, 2, 3, 4}, other{1, 2, 4};
  CHECK_FALSE(answers.own(first));
  const SharedBundle kept = answers.keep_own(first, bundle_of("example.org"));
  CHECK(answers.own(first) == kept);
  CHECK_FALSE(answers.own(longer));
  CHECK_FALSE(answers.own(other));
  CHECK_FALSE(answers.own(Bytes()));
  const SharedBundle newer = answers.keep_own(other, bundle_of("example.org"));
  CHECK(answers.own(other) == newer);
  CHECK_FALSE(answers.own(first));
}

TEST_CASE("BundleAnswers keeps the federated bundles that each pass asks for") {
  BundleAnswers answers;
  const Bytes bytes{7};
  const TrustDomain near = tests::trust_domain("near.test"), far = tests::trust_domain("far.test");
  CHECK_FALSE(answers.own(bytes));
  CHECK_FALSE(answers.federated(near, bytes));
  const SharedBundle kept = answers.keep_federated(bytes, bundle_of("near.test"));
  answers.keep_federated(bytes, bundle_of("far.test"));
  for (int pass = 0; pass < 3; ++pass) {
    answers.own(bytes);
    CHECK(answers.federated(near, bytes) == kept);
  }
  CHECK_FALSE(answers.federated(far, bytes));
  CHECK(answers.kept() == 1);
}

}  // namespace steeple::agent
