// Keys, requests and answers.
// Limits on the reference machine: P-256 key 11.5 us and signature 33 us (OpenSSL 3.0), RSA-2048 key 187 ms; OpenSSL's
// own encoders take 219 us for a CSR and 77 us for PKCS#8. Encoding an answer is a copy of 2.5 KB: 0.1 us.
#include <benchmark/benchmark.h>

#include <chrono>

#include "agent/cache/workload_update.h"
#include "runtime/tls/csr.h"

namespace {

using namespace steeple;
using namespace steeple::agent;
using runtime::KeyType;
using runtime::PrivateKey;

const char* const kId = "spiffe://example.org/ns/production/sa/service";

PrivateKey new_key() { return *PrivateKey::generate(KeyType::kEcP256); }

void p256_key_and_its_encoding(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(new_key().to_pkcs8().size());
}
BENCHMARK(p256_key_and_its_encoding)->Unit(benchmark::kMicrosecond);

void csr(benchmark::State& state) {
  const PrivateKey key = new_key();
  for (auto _ : state) benchmark::DoNotOptimize(runtime::make_csr(key, kId));
}
BENCHMARK(csr)->Unit(benchmark::kMicrosecond);

void read_pkcs8(benchmark::State& state) {
  const PrivateKey key = new_key();
  for (auto _ : state) benchmark::DoNotOptimize(PrivateKey::from_pkcs8(key.to_pkcs8().view()));
}
BENCHMARK(read_pkcs8)->Unit(benchmark::kMicrosecond);

runtime::Certificate certificate_of(const PrivateKey& key, const PrivateKey& signer,
                                    const runtime::Certificate* issuer) {
  runtime::CertificateTemplate made;
  made.serial = runtime::random_serial();
  made.not_before = std::chrono::system_clock::now() - std::chrono::seconds(10);
  made.not_after = std::chrono::system_clock::now() + std::chrono::hours(1);
  made.uri_sans = {issuer != nullptr ? kId : "spiffe://example.org"};
  made.key_usage = issuer != nullptr ? runtime::kDigitalSignature : runtime::kKeyCertSign;
  made.is_ca = issuer == nullptr;
  made.public_key = key.public_key();
  return *runtime::sign_certificate(made, signer, issuer);
}

// Once for all streams that receive the same.
void svid_response(benchmark::State& state) {
  const PrivateKey authority_key = new_key(), key = new_key();
  const runtime::Certificate authority = certificate_of(authority_key, authority_key, nullptr);
  Bundle bundle(*TrustDomain::parse("example.org"));
  bundle.add_x509_authority(authority);
  auto shared_bundle = std::make_shared<const Bundle>(bundle);
  auto svid = *X509Svid::make(certificate_of(key, authority_key, &authority).der(), key);
  auto entry = std::make_shared<const RegistrationEntry>("entry", *SpiffeId::parse(kId),
                                                         attestation::Selectors({{"unix", "uid:0"}}));
  for (auto _ : state) {
    WorkloadUpdate update({Identity(entry, svid)}, shared_bundle, {});
    state.counters["bytes"] = static_cast<double>(update.x509_svid_response().view().size());
  }
}
BENCHMARK(svid_response)->Unit(benchmark::kMicrosecond);

}  // namespace
