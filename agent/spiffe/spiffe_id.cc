#include "agent/spiffe/spiffe_id.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::string_view kScheme = "spiffe://";

Error invalid(std::string_view text) { return Error(ErrorCode::kInvalidArgument, std::string(text)); }

bool is_segment_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.' || c == '_';
}

bool is_dots(std::string_view segment) { return segment == "." || segment == ".."; }

}  // namespace

// The first fault from the left decides the text, as in go-spiffe.
Result<void> validate_path(std::string_view path) {
  if (path.empty()) return {};
  if (path[0] != '/') return invalid("path must have a leading slash");
  std::size_t segment_at = 1;
  for (std::size_t at = 1; at < path.size(); ++at) {
    if (path[at] == '/') {
      std::string_view segment = path.substr(segment_at, at - segment_at);
      if (segment.empty()) return invalid("path cannot contain empty segments");
      if (is_dots(segment)) return invalid("path cannot contain dot segments");
      segment_at = at + 1;
    } else if (!is_segment_character(path[at])) {
      return invalid("path segment characters are limited to letters, numbers, dots, dashes, and underscores");
    }
  }
  std::string_view last = path.substr(segment_at);
  if (last.empty()) return invalid("path cannot have a trailing slash");
  if (is_dots(last)) return invalid("path cannot contain dot segments");
  return {};
}

Result<SpiffeId> SpiffeId::parse(std::string_view text) {
  if (text.empty()) return invalid("cannot be empty");
  if (!text.starts_with(kScheme)) return invalid("scheme is missing or invalid");
  std::size_t path_at = kScheme.size();
  for (; path_at < text.size() && text[path_at] != '/'; ++path_at) {
    if (!is_trust_domain_character(text[path_at])) {
      return invalid(
          "trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores");
    }
  }
  if (path_at == kScheme.size()) return invalid("trust domain is missing");
  STEEPLE_CHECK(validate_path(text.substr(path_at)));
  return SpiffeId(std::string(text), path_at);
}

Result<SpiffeId> SpiffeId::make(const TrustDomain& trust_domain, std::string_view path) {
  STEEPLE_CHECK(validate_path(path));
  if (trust_domain.empty()) return invalid("trust domain is empty");
  std::string text = trust_domain.id_string();
  std::size_t path_at = text.size();
  return SpiffeId(text.append(path), path_at);
}

std::string_view SpiffeId::trust_domain_name() const {
  if (text_.empty()) return {};
  return std::string_view(text_).substr(kScheme.size(), path_at_ - kScheme.size());
}

TrustDomain SpiffeId::trust_domain() const { return TrustDomain(std::string(trust_domain_name())); }

std::string_view SpiffeId::path() const { return std::string_view(text_).substr(path_at_); }

SpiffeId server_id(const TrustDomain& trust_domain) {
  Result<SpiffeId> id = SpiffeId::make(trust_domain, "/spire/server");
  return id ? std::move(*id) : SpiffeId();
}

bool is_agent_path(std::string_view path) { return path.starts_with("/spire/agent/"); }

bool is_reserved_path(std::string_view path) { return path == "/spire" || path.starts_with("/spire/"); }

}  // namespace steeple::agent
