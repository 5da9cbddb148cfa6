#include "agent/plugin/handshake.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <vector>

#include "runtime/core/go_text.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr int kCoreVersion = 1;
constexpr int kAppVersion = 1;
constexpr std::size_t kPartsMin = 4;
constexpr std::size_t kNetworkPart = 2;
constexpr std::size_t kAddressPart = 3;
constexpr std::size_t kProtocolPart = 4;
constexpr std::size_t kCertificatePart = 5;
constexpr std::size_t kCertificateBytesMin = 51;  // shorter ones are leftovers of old versions

bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

std::string_view trimmed(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    const std::size_t at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

// As Go's strconv.Atoi reads it, and complains.
Result<int> to_number(std::string_view text) {
  std::string_view digits = text;
  if (digits.starts_with('+')) digits.remove_prefix(1);
  int number = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  const bool whole = end == digits.data() + digits.size() && !digits.empty() && !(text[0] == '+' && digits[0] == '-');
  if (error == std::errc() && whole) return number;
  const bool range = error == std::errc::result_out_of_range && whole;
  return Error(ErrorCode::kMalformed, fmt::format("strconv.Atoi: parsing {}: {}", runtime::go_quote(text),
                                                  range ? "value out of range" : "invalid syntax"));
}

Result<void> check_versions(std::string_view core, std::string_view app) {
  STEEPLE_TRY(core_number, runtime::with_context(to_number(core), "error parsing core protocol version"));
  if (core_number != kCoreVersion) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("incompatible core API version with plugin. Plugin version: {}, Core version: {}",
                             core_number, kCoreVersion));
  }
  STEEPLE_TRY(app_number, runtime::with_context(to_number(app), fmt::format("Error parsing protocol version {}",
                                                                            runtime::go_quote(app))));
  if (app_number != kAppVersion) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("incompatible API version with plugin. Plugin version: {}, Client versions: [{}]",
                             app_number, kAppVersion));
  }
  return {};
}

std::string mode_text(mode_t mode) {
  constexpr std::string_view kLetters = "rwxrwxrwx";
  std::string text(1, S_ISDIR(mode) ? 'd' : '-');
  for (std::size_t i = 0; i < kLetters.size(); ++i) {
    text += (mode >> (kLetters.size() - 1 - i) & 1) != 0 ? kLetters[i] : '-';
  }
  return text;
}

}  // namespace

Error unrecognized_handshake(std::string_view line, bool ended) {
  std::string text = fmt::format("Unrecognized remote plugin message: {}", line.substr(0, kHandshakeShownMax));
  if (ended) text += "\nFailed to read any lines from plugin's stdout";
  return Error(ErrorCode::kMalformed, std::move(text));
}

std::string describe_program(const std::string& program) {
  struct stat status{};
  if (::stat(program.c_str(), &status) != 0) return {};
  return fmt::format(
      "\nAdditional notes about plugin:\n  Path: {}\n  Mode: {}\n  Owner: {} (current: {})\n  Group: {} "
      "(current: {})\n",
      program, mode_text(status.st_mode), status.st_uid, ::getuid(), status.st_gid, ::getgid());
}

Result<PluginAddress> parse_handshake(std::string_view line) {
  const std::vector<std::string_view> parts = split(trimmed(line), '|');
  if (parts.size() < kPartsMin) return unrecognized_handshake(trimmed(line), false);
  STEEPLE_CHECK(check_versions(parts[0], parts[1]));
  PluginAddress address{std::string(parts[kNetworkPart]), std::string(parts[kAddressPart])};
  if (address.network != "unix" && address.network != "tcp") {
    return Error(ErrorCode::kInvalidArgument, fmt::format("unknown address type: {}", address.address));
  }
  const std::string_view protocol = parts.size() > kProtocolPart ? parts[kProtocolPart] : "netrpc";
  if (protocol != "grpc") {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("unsupported plugin protocol {}. Supported: [grpc]", runtime::go_quote(protocol)));
  }
  if (parts.size() > kCertificatePart && parts[kCertificatePart].size() >= kCertificateBytesMin) {
    return Error(ErrorCode::kInvalidArgument, "the plugin insists on TLS, which it was not asked for");
  }
  return address;
}

}  // namespace steeple::agent
