// A key that signs metadata of an update repository (TUF 1.0, 4.2): `ecdsa` and `ecdsa-sha2-nistp256` with SHA-256, a
// key in PEM; `rsa` with PSS and SHA-256, a key in PEM; `ed25519`, a key in hex. Pure.
#pragma once

#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

enum class TufKeyType { kEcdsa, kRsaPss, kEd25519 };

struct TufKey {
  TufKeyType type = TufKeyType::kEcdsa;
  runtime::Bytes spki;  // SubjectPublicKeyInfo, DER; keys that have the same are the same key
};

// `type` and `text` are the members keytype and keyval.public. kInvalidArgument: a type that is not known.
runtime::Result<TufKey> parse_tuf_key(std::string_view type, std::string_view text);

bool has_signed(const TufKey& key, std::string_view message, runtime::BytesView signature);

}  // namespace steeple::attestation
