#include "attestation/sigstore/www_authenticate.h"

#include <algorithm>

namespace steeple::attestation {
namespace {

bool is_token_character(char c) {
  return c > ' ' && c < 0x7F && std::string_view("\"(),/:;<=>?@[]\\{}").find(c) == std::string_view::npos;
}

std::string_view take_token(std::string_view& text) {
  const auto* end = std::find_if_not(text.begin(), text.end(), is_token_character);
  const std::string_view token = text.substr(0, static_cast<std::size_t>(end - text.begin()));
  text.remove_prefix(token.size());
  return token;
}

void skip_space(std::string_view& text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t\r\n"), text.size()));
}

// Without its quotes and escapes; empty where it is not closed.
std::string take_quoted(std::string_view& text) {
  std::string out;
  for (std::size_t i = 1; i < text.size(); ++i) {
    if (text[i] == '"') {
      text.remove_prefix(i + 1);
      return out;
    }
    if (text[i] == '\\' && ++i == text.size()) break;
    out += text[i];
  }
  text = {};
  return {};
}

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](unsigned char c) { return std::tolower(c); });
  return out;
}

}  // namespace

const std::string* Challenge::find(const std::string& name) const {
  const auto found = parameters.find(name);
  return found == parameters.end() ? nullptr : &found->second;
}

std::optional<Challenge> parse_challenge(std::string_view header) {
  Challenge challenge;
  challenge.scheme = lower(take_token(header));
  if (challenge.scheme.empty()) return std::nullopt;
  for (bool more = true; more && challenge.parameters.size() < kChallengeParametersMax;) {
    skip_space(header);
    const std::string name = lower(take_token(header));
    if (name.empty() || !header.starts_with('=')) break;
    header.remove_prefix(1);
    std::string value = header.starts_with('"') ? take_quoted(header) : std::string(take_token(header));
    if (value.empty()) break;
    challenge.parameters.insert_or_assign(name, std::move(value));
    skip_space(header);
    more = header.starts_with(',');
    if (more) header.remove_prefix(1);
  }
  return challenge;
}

std::optional<Challenge> pick_challenge(const std::vector<std::string>& headers) {
  std::optional<Challenge> first;
  for (const std::string& header : headers) {
    std::optional<Challenge> challenge = parse_challenge(header);
    if (!challenge) continue;
    if (challenge->scheme == "basic" || challenge->scheme == "bearer") return challenge;
    if (!first) first = std::move(challenge);
  }
  return first;
}

}  // namespace steeple::attestation
