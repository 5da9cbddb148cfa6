// The three messages of x509pop (attestation 3.5), each with its reader and writer: JSON as Go's encoding/json writes
// and reads it (standard padded base64, null for what is absent, unknown keys ignored, key case ignored). Pure; any
// thread. Input is bounded by kMessageBytesMax; errors are kMalformed.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation::x509pop {

inline constexpr std::size_t kNonceBytes = 32;
inline constexpr std::size_t kMessageBytesMax = 256 << 10;
inline constexpr std::size_t kCertificatesMax = 64;  // the server's own limit is lower and its to enforce

struct AttestationData {
  std::vector<runtime::Bytes> certificates;  // DER, leaf first
  bool operator==(const AttestationData&) const = default;
};

// The nonce for each kind of key; exactly one is set in a challenge that a server makes.
struct Challenge {
  std::optional<runtime::Bytes> rsa_nonce;
  std::optional<runtime::Bytes> ecdsa_nonce;
  bool operator==(const Challenge&) const = default;
};

struct RsaResponse {
  runtime::Bytes nonce;
  runtime::Bytes signature;
  bool operator==(const RsaResponse&) const = default;
};
struct EcdsaResponse {
  runtime::Bytes nonce;
  runtime::Bytes r;  // big-endian, unsigned, shortest form
  runtime::Bytes s;
  bool operator==(const EcdsaResponse&) const = default;
};
struct Response {
  std::optional<RsaResponse> rsa;
  std::optional<EcdsaResponse> ecdsa;
  bool operator==(const Response&) const = default;
};

runtime::Bytes format_attestation_data(const AttestationData& data);
runtime::Result<AttestationData> parse_attestation_data(runtime::BytesView json);
runtime::Bytes format_challenge(const Challenge& challenge);
runtime::Result<Challenge> parse_challenge(runtime::BytesView json);
runtime::Bytes format_response(const Response& response);
runtime::Result<Response> parse_response(runtime::BytesView json);

}  // namespace steeple::attestation::x509pop
