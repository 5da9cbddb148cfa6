#include "attestation/sigstore/image_reference.h"

#include <algorithm>
#include <boost/asio/ip/address_v4.hpp>
#include <optional>

#include "attestation/sigstore/http_url.h"

namespace steeple::attestation {
namespace {

constexpr std::string_view kLower = "abcdefghijklmnopqrstuvwxyz0123456789_-./";
constexpr std::string_view kTag = "abcdefghijklmnopqrstuvwxyz0123456789_-.ABCDEFGHIJKLMNOPQRSTUVWXYZ";
constexpr std::string_view kDigestPrefix = "sha256:";
constexpr std::size_t kDigestHexDigits = 64;
constexpr std::size_t kRepositoryMin = 2, kRepositoryMax = 255, kTagMax = 128;

bool only(std::string_view text, std::string_view allowed, std::size_t least, std::size_t most) {
  return text.size() >= least && text.size() <= most && text.find_first_not_of(allowed) == std::string_view::npos;
}

// The first part is a registry when it is "localhost" or has a dot or a colon.
std::optional<ImageReference> parse_repository(std::string_view text) {
  ImageReference found;
  const std::size_t slash = text.find('/');
  const std::string_view first = text.substr(0, slash);
  const bool named =
      slash != std::string_view::npos && (first == "localhost" || first.find_first_of(".:") != std::string_view::npos);
  if (named) {
    if (!is_url_authority(first)) return std::nullopt;
    found.registry = first;
    text.remove_prefix(slash + 1);
  }
  if (!only(text, kLower, kRepositoryMin, kRepositoryMax)) return std::nullopt;
  if (found.registry.empty() || found.registry == "docker.io") found.registry = kDockerHub;
  const bool bare = found.registry == kDockerHub && text.find('/') == std::string_view::npos;
  found.repository = (bare ? "library/" : "") + std::string(text);
  return found;
}

std::optional<ImageReference> parse_tagged(std::string_view text) {
  std::string_view tag;
  const std::size_t colon = text.rfind(':');
  if (colon != std::string_view::npos && text.find('/', colon) == std::string_view::npos) {
    tag = text.substr(colon + 1);
    if (!only(tag, kTag, 1, kTagMax)) return std::nullopt;
    text = text.substr(0, colon);
  }
  std::optional<ImageReference> found = parse_repository(text);
  if (found) found->tag = tag.empty() ? "latest" : std::string(tag);
  return found;
}

std::optional<ImageReference> parse_digested(std::string_view text) {
  const std::size_t at = text.find('@');
  if (at == std::string_view::npos || !is_sha256_digest(text.substr(at + 1))) return std::nullopt;
  std::optional<ImageReference> found = parse_tagged(text.substr(0, at));
  if (!found) found = parse_repository(text.substr(0, at));
  if (!found) return std::nullopt;
  found->tag.clear();
  found->digest = text.substr(at + 1);
  return found;
}

// ":1234" or nothing.
bool is_port(std::string_view text) {
  return text.empty() || (text[0] == ':' && only(text.substr(1), "0123456789", 1, 5));
}

bool is_private_ipv4(std::string_view host) {
  boost::system::error_code bad;
  const auto address = boost::asio::ip::make_address_v4(std::string(host), bad);
  if (bad) return false;
  const std::uint32_t number = address.to_uint();
  return number >> 24 == 10 || number >> 20 == 0xAC1 || number >> 16 == 0xC0A8;
}

}  // namespace

std::string ImageReference::name() const {
  return registry + "/" + repository + (digest.empty() ? ":" + tag : "@" + digest);
}

runtime::Result<ImageReference> parse_image_reference(std::string_view text) {
  std::optional<ImageReference> found = parse_tagged(text);
  if (!found) found = parse_digested(text);
  if (found) return std::move(*found);
  return runtime::Error(runtime::ErrorCode::kMalformed, "could not parse reference: " + std::string(text));
}

bool allows_plain_http(std::string_view registry) {
  const std::size_t bracket = registry.starts_with('[') ? registry.find(']') : std::string_view::npos;
  const std::size_t colon = registry.find(':', bracket == std::string_view::npos ? 0 : bracket);
  const std::string_view host = registry.substr(0, colon);
  const std::string_view port = colon == std::string_view::npos ? std::string_view() : registry.substr(colon);
  if (registry == "::1" || (host == "[::1]" && is_port(port))) return true;
  if (registry.starts_with("localhost:") || is_private_ipv4(host)) return true;
  return is_port(port) && (host == "127.0.0.1" || host.ends_with(".localhost"));
}

bool is_sha256_digest(std::string_view text) {
  return text.starts_with(kDigestPrefix) &&
         only(text.substr(kDigestPrefix.size()), "0123456789abcdef", kDigestHexDigits, kDigestHexDigits);
}

}  // namespace steeple::attestation
