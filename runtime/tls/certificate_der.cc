#include "runtime/tls/certificate_der.h"

#include "runtime/tls/der.h"

namespace steeple::runtime {
namespace {

constexpr std::uint8_t kEcdsaSha256[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02};
constexpr std::uint8_t kEcdsaSha384[] = {0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x03};
constexpr std::uint8_t kRsaSha256[] = {0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86,
                                       0xf7, 0x0d, 0x01, 0x01, 0x0b, 0x05, 0x00};

// All attributes used here are 2.5.4.N.
std::uint8_t attribute_number(NameAttribute::Type type) {
  switch (type) {
    case NameAttribute::Type::kCommonName:
      return 3;
    case NameAttribute::Type::kSerialNumber:
      return 5;
    case NameAttribute::Type::kCountry:
      return 6;
    case NameAttribute::Type::kOrganization:
      return 10;
    case NameAttribute::Type::kX500UniqueIdentifier:
      return 45;
  }
  return 3;
}

}  // namespace

Bytes encode_name(const std::vector<NameAttribute>& attributes) {
  Bytes names;
  for (const NameAttribute& attribute : attributes) {
    const std::uint8_t oid[] = {der::kOid, 3, 0x55, 0x04, attribute_number(attribute.type)};
    Bytes pair = der::element(der::kSequence, {BytesView(oid), der::text(attribute.value)});
    Bytes set = der::element(der::kSet, pair);
    names.insert(names.end(), set.begin(), set.end());
  }
  return der::element(der::kSequence, names);
}

std::uint8_t extension_number(Extension extension) {
  switch (extension) {
    case Extension::kSubjectKeyId:
      return 14;
    case Extension::kKeyUsage:
      return 15;
    case Extension::kSubjectAltName:
      return 17;
    case Extension::kBasicConstraints:
      return 19;
    case Extension::kAuthorityKeyId:
      return 35;
    case Extension::kExtendedKeyUsage:
      return 37;
  }
  return 14;
}

Bytes encode_extension(Extension extension, bool critical, BytesView value) {
  const std::uint8_t oid[] = {der::kOid, 3, 0x55, 0x1d, extension_number(extension)};
  return der::element(der::kSequence, {BytesView(oid), critical ? der::boolean_true() : Bytes(),
                                       der::element(der::kOctetString, value)});
}

BytesView signature_algorithm(SignatureScheme scheme) {
  if (scheme == SignatureScheme::kEcdsaSha256) return kEcdsaSha256;
  if (scheme == SignatureScheme::kEcdsaSha384) return kEcdsaSha384;
  return kRsaSha256;
}

Result<Bytes> sign_der(BytesView signed_part, const PrivateKey& key) {
  SignatureScheme scheme = key.default_scheme();
  STEEPLE_TRY(signature, key.sign(scheme, signed_part));
  return der::element(der::kSequence, {signed_part, signature_algorithm(scheme), der::bit_string(signature)});
}

}  // namespace steeple::runtime
