// DER: certificates, chains, CSRs, private and public keys, ECDSA signatures. What read_plain_leaf reads, OpenSSL reads
// as the same.
#include "runtime/tls/csr.h"
#include "runtime/tls/plain_leaf.h"
#include "runtime/tls/public_key.h"
#include "runtime/tls/x509.h"

using namespace steeple::runtime;

namespace {

void use_certificate(const Certificate& certificate) {
  static_cast<void>(certificate.serial_decimal() + certificate.serial_hex() + certificate.subject());
  static_cast<void>(certificate.is_self_issued());
  static_cast<void>(subject_key_id_of(certificate.public_key()));
  static_cast<void>(verify_chain(certificate, {certificate}, {certificate}, certificate.not_after()));
}

// The public key is the caller's to compare: one that OpenSSL does not know is no key of ours.
void compare_plain_leaf(BytesView input) {
  const auto plain = read_plain_leaf(input);
  if (!plain || !public_key_info(plain->public_key)) return;
  const auto whole = Certificate::parse(input);
  if (!whole || whole->is_ca() || (whole->key_usage().value_or(0) & (kKeyCertSign | kCrlSign))) __builtin_trap();
  if (whole->uri_sans() != std::vector<std::string>{plain->uri}) __builtin_trap();
  if (whole->not_before() != plain->not_before || whole->not_after() != plain->not_after) __builtin_trap();
  if (!same_public_key(whole->public_key(), plain->public_key)) __builtin_trap();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  BytesView input(data, size);
  if (auto chain = parse_certificate_chain(input)) {
    for (const Certificate& certificate : *chain) use_certificate(certificate);
    if (concatenate(*chain) != to_bytes(input)) __builtin_trap();
  }
  compare_plain_leaf(input);
  static_cast<void>(parse_csr(input));
  if (auto key = PrivateKey::from_pkcs8(input)) {
    if (!PrivateKey::from_pkcs8(key->to_pkcs8().view())) __builtin_trap();
  }
  if (auto numbers = public_key_numbers(input)) static_cast<void>(encode_public_key(*numbers));
  if (auto parts = split_ecdsa_signature(input)) static_cast<void>(join_ecdsa_signature(*parts));
  return 0;
}
