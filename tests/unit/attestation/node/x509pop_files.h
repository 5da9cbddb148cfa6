// The test certificates of tests/data/x509pop, made once with Go's crypto/x509: a root without key usage, notBefore in
// year 1, leaves without SAN. Their keys are for tests only.
#pragma once

#include <string>

#include "attestation/node/x509pop/key_pair.h"
#include "attestation/node/x509pop/x509pop_attestor.h"
#include "runtime/os/file.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation::x509pop {

inline std::string pop_path(const std::string& name) { return std::string(STEEPLE_TEST_DATA) + "/x509pop/" + name; }
inline std::string pop_text(const std::string& name) { return runtime::read_file(pop_path(name), 1 << 20).value(); }
inline runtime::Bytes pop_certificate(const std::string& name) {
  return runtime::to_bytes(runtime::parse_certificates_pem(pop_text(name)).value().front().der());
}
inline X509PopConfig pop_config(const std::string& key, const std::string& chain) {
  X509PopConfig config;
  config.private_key_path = pop_path(key);
  config.certificate_path = pop_path(chain);
  return config;
}
inline runtime::WallTime pop_now() { return std::chrono::system_clock::from_time_t(1798000000); }  // late 2026

}  // namespace steeple::attestation::x509pop
