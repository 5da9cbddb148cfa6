// A presented JWT-SVID, and the JSON in it by itself.
#include "agent/spiffe/jwt_svid.h"
#include "agent/spiffe/jwt_token.h"
#include "runtime/tls/encoding.h"

using namespace steeple::agent;
using namespace steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const PrivateKey key = *PrivateKey::generate(KeyType::kEcP256);
  static const std::vector<SharedBundle> bundles = [] {
    auto bundle = std::make_shared<Bundle>(*TrustDomain::parse("example.org"));
    bundle->add_jwt_authority(JwtAuthority("a", key.public_key()));
    return std::vector<SharedBundle>{bundle};
  }();
  std::string_view text = as_text(BytesView(data, size));
  auto now = WallTime(std::chrono::seconds(1'800'000'000));
  static_cast<void>(verify_jwt_svid(text, "db", bundles, now));
  static_cast<void>(parse_json(text));
  // The same bytes behind the encoding, as header and as claims.
  std::string part = base64url_encode(BytesView(data, size));
  static_cast<void>(verify_jwt_svid(part + ".e30.AAAA", "db", bundles, now));
  static_cast<void>(verify_jwt_svid("eyJhbGciOiJFUzI1NiIsImtpZCI6ImEifQ." + part + ".AAAA", "db", bundles, now));
  return 0;
}
