// What a signed payload is about: the image whose digest it names. Upstream does not look at that, so that there a
// signature that was copied from one image's tag to another's verifies; Steeple refuses it. Pure functions, any thread.
#pragma once

#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

inline constexpr std::size_t kStatementSubjectsMax = 4096;

// cosign's "simple signing" (containers/image's format): critical.image.docker-manifest-digest. kUnauthenticated for
// another digest, kMalformed for what is not JSON.
runtime::Result<void> check_signed_digest(std::string_view payload, std::string_view image_digest);

// An in-toto statement: one of its subjects has the digest, which is "sha256:HEX".
runtime::Result<void> check_statement_subject(std::string_view statement, std::string_view image_digest);

}  // namespace steeple::attestation
