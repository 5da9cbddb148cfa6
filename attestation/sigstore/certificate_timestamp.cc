#include "attestation/sigstore/certificate_timestamp.h"

#include <algorithm>

#include "runtime/tls/encoding.h"
#include "runtime/tls/keys.h"

namespace steeple::attestation {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::SignatureScheme;

namespace {

constexpr std::size_t kLogIdBytes = 32;
constexpr std::uint8_t kVersion1 = 0;
constexpr std::uint8_t kSha256 = 4;
constexpr std::uint8_t kRsa = 1;
constexpr std::uint8_t kEcdsa = 3;

Error malformed() { return Error(ErrorCode::kMalformed, "malformed list of certificate timestamps"); }

// Reads TLS's presentation language (RFC 5246, 4); what is not there reads as nothing and sets `ok` to false.
struct Reader {
  BytesView rest;
  bool ok = true;

  BytesView take(std::size_t size) {
    ok = ok && rest.size() >= size;
    if (!ok) return {};
    BytesView out = rest.first(size);
    rest = rest.subspan(size);
    return out;
  }
  std::uint64_t number(std::size_t size) {
    std::uint64_t value = 0;
    for (std::uint8_t byte : take(size)) value = value << 8 | byte;
    return value;
  }
  BytesView vector16() { return take(number(2)); }
};

void append_number(Bytes& out, std::uint64_t value, int size) {
  for (int shift = (size - 1) * 8; shift >= 0; shift -= 8) out.push_back(static_cast<std::uint8_t>(value >> shift));
}

void append(Bytes& out, BytesView bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }

// The contents of a DER OCTET STRING, of definite length, that is all there is.
Result<BytesView> octet_string(BytesView der) {
  Reader reader{der};
  bool tagged = reader.number(1) == 0x04;
  std::uint64_t length = reader.number(1);
  if (length > 0x82) return malformed();
  if (length > 0x80) length = reader.number(length - 0x80);
  if (!tagged || !reader.ok || reader.rest.size() != length) return malformed();
  return reader.rest;
}

Result<CertificateTimestamp> parse_timestamp(BytesView bytes) {
  Reader reader{bytes};
  if (reader.number(1) != kVersion1) return malformed();
  CertificateTimestamp timestamp;
  timestamp.log_id = runtime::to_hex(reader.take(kLogIdBytes));
  timestamp.milliseconds = reader.number(8);
  timestamp.extensions = runtime::to_bytes(reader.vector16());
  timestamp.hash_algorithm = static_cast<std::uint8_t>(reader.number(1));
  timestamp.signature_algorithm = static_cast<std::uint8_t>(reader.number(1));
  timestamp.signature = runtime::to_bytes(reader.vector16());
  if (!reader.ok || !reader.rest.empty()) return malformed();
  return timestamp;
}

// A CT log signs with RSA of 2048 bits or more, or with ECDSA on P-256, over SHA-256 (RFC 6962, 2.1.4).
Result<void> verify_with(const LogKey& log, const CertificateTimestamp& timestamp, BytesView message) {
  STEEPLE_TRY(key, runtime::public_key_info(log.spki));
  bool fits = key.rsa ? key.bits >= 2048 && timestamp.signature_algorithm == kRsa
                      : key.bits == 256 && timestamp.signature_algorithm == kEcdsa;
  std::string name = key.rsa ? "rsa" : "ECDSA";
  auto scheme = key.rsa ? SignatureScheme::kRsaPkcs1Sha256 : SignatureScheme::kEcdsaSha256;
  if (fits && timestamp.hash_algorithm == kSha256 &&
      runtime::verify_signature(log.spki, scheme, message, timestamp.signature)) {
    return {};
  }
  return Error(ErrorCode::kUnauthenticated, "failed to verify " + name + " signature");
}

}  // namespace

Result<std::vector<CertificateTimestamp>> parse_certificate_timestamps(BytesView extension_value) {
  STEEPLE_TRY(contents, octet_string(extension_value));
  Reader outer{contents};
  Reader list{outer.vector16()};
  if (!outer.ok || !outer.rest.empty() || list.rest.empty()) return malformed();
  std::vector<CertificateTimestamp> timestamps;
  while (!list.rest.empty()) {
    if (timestamps.size() == kCertificateTimestampsMax) {
      return Error(ErrorCode::kLimit, "too many certificate timestamps");
    }
    BytesView bytes = list.vector16();
    if (!list.ok) return malformed();
    STEEPLE_TRY(timestamp, parse_timestamp(bytes));
    timestamps.push_back(std::move(timestamp));
  }
  return timestamps;
}

Bytes timestamped_bytes(const CertificateTimestamp& timestamp, BytesView precertificate, BytesView issuer_spki) {
  constexpr std::uint64_t kPrecertificateEntry = 1;
  Bytes out{kVersion1, 0};  // signature type certificate_timestamp
  append_number(out, timestamp.milliseconds, 8);
  append_number(out, kPrecertificateEntry, 2);
  append(out, runtime::sha256(issuer_spki));
  append_number(out, precertificate.size(), 3);
  append(out, precertificate);
  append_number(out, timestamp.extensions.size(), 2);
  append(out, timestamp.extensions);
  return out;
}

Result<bool> verify_certificate_timestamps(const SignerCertificate& signer, BytesView issuer_spki,
                                           const std::vector<LogKey>& logs) {
  if (!signer.sct_list) {
    return Error(ErrorCode::kUnauthenticated,
                 "certificate does not include required embedded SCT and no detached SCT was set");
  }
  if (logs.empty()) return Error(ErrorCode::kFailedPrecondition, "none of the CTFE keys have been found");
  STEEPLE_TRY(timestamps, parse_certificate_timestamps(*signer.sct_list));
  bool retired = false;
  for (const CertificateTimestamp& timestamp : timestamps) {
    auto log = std::find_if(logs.begin(), logs.end(), [&](const LogKey& key) { return key.id == timestamp.log_id; });
    if (log == logs.end()) {
      return Error(ErrorCode::kUnauthenticated,
                   "ctfe public key not found for payload. Check your TUF root (see cosign initialize) or set a custom "
                   "key with env var SIGSTORE_CT_LOG_PUBLIC_KEY_FILE");
    }
    Result<void> verified =
        verify_with(*log, timestamp, timestamped_bytes(timestamp, signer.precertificate, issuer_spki));
    if (!verified) return std::move(verified.error()).with_context("error verifying embedded SCT");
    retired = retired || !log->active;
  }
  return retired;
}

}  // namespace steeple::attestation
