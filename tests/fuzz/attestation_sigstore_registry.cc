// What a registry answers and how an image is named, as anybody could shape them.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attestation/sigstore/http_url.h"
#include "attestation/sigstore/image_reference.h"
#include "attestation/sigstore/registry_answers.h"
#include "attestation/sigstore/registry_keychain.h"
#include "attestation/sigstore/www_authenticate.h"

namespace {

using namespace steeple::attestation;

void check_reference(std::string_view text) {
  const auto image = parse_image_reference(text);
  if (!image) return;
  // A full name names the same image; it may begin with an odd registry, never hold white space.
  const auto again = parse_image_reference(image->name());
  if (!again || again->name() != image->name()) std::abort();
  if (image->name().find_first_of(" \r\n") != std::string::npos) std::abort();
  (void)allows_plain_http(image->registry);
}

void check_url(std::string_view text) {
  const HttpUrl base{true, "reg.example", "/v2/a/blobs/b"};
  const auto url = resolve_location(base, text);
  if (!url) return;
  const auto again = parse_http_url(url->text());
  if (!again || again->text() != url->text()) std::abort();
  if (url->text().find_first_of(" \r\n@\\") < url->text().find('/', 8)) std::abort();
  if (check_redirect(base, *url) && !url->tls) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  check_reference(text);
  check_url(text);
  if (const auto challenge = parse_challenge(text)) {
    if (challenge->parameters.size() > kChallengeParametersMax) std::abort();
    if (const std::string* realm = challenge->find("realm")) (void)check_realm(*realm, "127.0.0.1:5000", true);
  }
  if (const auto layers = parse_signature_manifest(text)) {
    for (const LayerDescriptor& layer : *layers) {
      if (!is_sha256_digest(layer.digest)) std::abort();
    }
  }
  (void)parse_token_answer(text);
  (void)registry_error("GET", "https://h/t?a=b", "404 Not Found", text);
  (void)parse_stored_login(text, {"ghcr.io", "o/r", "t", ""});
  return 0;
}
