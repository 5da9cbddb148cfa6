#include "jwt.h"

#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <algorithm>
#include <array>
#include <boost/json.hpp>
#include <ctime>
#include <vector>

#include "openssl.h"
#include "x509.h"

namespace {

namespace json = boost::json;

constexpr int kCoordinate = 32;  // bytes of a P-256 coordinate

const unsigned char* bytes(const std::string& text) { return reinterpret_cast<const unsigned char*>(text.data()); }

std::string from_base64url(std::string text) {
  std::replace(text.begin(), text.end(), '-', '+');
  std::replace(text.begin(), text.end(), '_', '/');
  const std::size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  std::string out(text.size() / 4 * 3, '\0');
  const int size =
      EVP_DecodeBlock(reinterpret_cast<unsigned char*>(out.data()), bytes(text), static_cast<int>(text.size()));
  if (size < 0) throw std::runtime_error("not base64url");
  out.resize(static_cast<std::size_t>(size) - padding);
  return out;
}

std::string text_of(const json::object& object, std::string_view name) {
  const json::value* value = object.if_contains(name);
  if (value == nullptr || !value->is_string()) throw std::runtime_error("no " + std::string(name));
  return std::string(value->as_string());
}

std::string fixed(const json::object& jwk, std::string_view name) {
  std::string value = from_base64url(text_of(jwk, name));
  if (value.size() != kCoordinate) throw std::runtime_error("a P-256 coordinate has 32 bytes");
  return value;
}

Key key_of(const json::object& jwk) {
  if (text_of(jwk, "kty") != "EC" || text_of(jwk, "crv") != "P-256") throw std::runtime_error("not a P-256 key");
  std::string point = "\x04" + fixed(jwk, "x") + fixed(jwk, "y");
  std::string group = "prime256v1";
  const std::array<OSSL_PARAM, 3> parameters{
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()),
      OSSL_PARAM_construct_end()};
  const std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> context(
      EVP_PKEY_CTX_new_from_name(nullptr, "EC", nullptr));
  EVP_PKEY* key = nullptr;
  required(EVP_PKEY_fromdata_init(context.get()) == 1, "key");
  required(EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, const_cast<OSSL_PARAM*>(parameters.data())) == 1,
           "key");
  return Key(key);
}

Key find_key(const JWTBundlesResponse& bundles, const std::string& domain, const std::string& kid) {
  const auto bundle = bundles.bundles().find("spiffe://" + domain);
  if (bundle != bundles.bundles().end()) {
    const json::value keys = json::parse(bundle->second);
    for (const json::value& one : keys.at("keys").as_array()) {
      if (text_of(one.as_object(), "kid") == kid) return key_of(one.as_object());
    }
  }
  throw std::runtime_error("no key " + kid + " of trust domain " + domain);
}

// An ES256 signature is both numbers with 32 bytes each; OpenSSL takes DER.
std::vector<unsigned char> to_der(const std::string& signature) {
  if (signature.size() != 2 * kCoordinate) throw std::runtime_error("an ES256 signature has 64 bytes");
  const EcdsaSignature pair(ECDSA_SIG_new());
  ECDSA_SIG_set0(pair.get(), BN_bin2bn(bytes(signature), kCoordinate, nullptr),
                 BN_bin2bn(bytes(signature) + kCoordinate, kCoordinate, nullptr));
  std::vector<unsigned char> der(static_cast<std::size_t>(i2d_ECDSA_SIG(pair.get(), nullptr)));
  unsigned char* out = der.data();
  i2d_ECDSA_SIG(pair.get(), &out);
  return der;
}

bool has_audience(const json::object& claims, std::string_view audience) {
  const json::value& listed = claims.at("aud");
  if (listed.is_string()) return listed.as_string() == audience;
  return std::any_of(listed.as_array().begin(), listed.as_array().end(),
                     [&](const json::value& one) { return one.as_string() == audience; });
}

}  // namespace

std::string verify_jwt(const std::string& audience, const std::string& token, const JWTBundlesResponse& bundles) {
  const std::size_t first = token.find('.');
  const std::size_t second = token.find('.', first + 1);
  if (second == std::string::npos) throw std::runtime_error("not a token");
  const json::object header = json::parse(from_base64url(token.substr(0, first))).as_object();
  const json::object claims = json::parse(from_base64url(token.substr(first + 1, second - first - 1))).as_object();
  if (text_of(header, "alg") != "ES256")
    throw std::runtime_error("algorithm is not supported: " + text_of(header, "alg"));
  std::string subject = text_of(claims, "sub");
  const Key key = find_key(bundles, domain_of(subject), text_of(header, "kid"));
  const std::vector<unsigned char> signature = to_der(from_base64url(token.substr(second + 1)));
  const std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  required(EVP_DigestVerifyInit(context.get(), nullptr, EVP_sha256(), nullptr, key.get()) == 1, "verification");
  required(EVP_DigestVerify(context.get(), signature.data(), signature.size(), bytes(token), second) == 1,
           "the signature does not verify");
  if (claims.at("exp").to_number<std::int64_t>() <= std::time(nullptr))
    throw std::runtime_error("the token has expired");
  if (!has_audience(claims, audience)) throw std::runtime_error("the token is for another audience");
  return subject;
}
