// What a registry says (OCI distribution specification): the manifest that lists an image's signatures, a token, an
// error. Pure functions of foreign input.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::attestation {

inline constexpr std::size_t kSignatureLayersMax = 1000;  // cosign's
inline constexpr std::size_t kErrorTextMax = 2048;        // of an answer, in an error

struct LayerDescriptor {
  std::string media_type;
  std::string digest;  // "sha256:HEX"
  std::uint64_t size = 0;
  std::map<std::string, std::string> annotations;
  std::optional<std::string> data;  // the content itself, where the manifest has it
};

// kMalformed: not a manifest of an image. kLimit: more than kSignatureLayersMax, in cosign's words.
runtime::Result<std::vector<LayerDescriptor>> parse_signature_manifest(std::string_view json);

// `refresh_token` may be empty. kMalformed: no token; the answer is not in the text.
struct TokenAnswer {
  runtime::SecretBytes token;
  runtime::SecretBytes refresh_token;
};
runtime::Result<TokenAnswer> parse_token_answer(std::string_view json);

// "GET URL: CODE: MESSAGE; DETAIL", or with the status and the body where that is no error of a registry. `status`:
// "404 Not Found". Values of the URL's query are left out, but for scope and service.
std::string registry_error(std::string_view method, std::string_view url, std::string_view status,
                           std::string_view body);

}  // namespace steeple::attestation
