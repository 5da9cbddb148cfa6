#include "attestation/container/cgroup.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::string_view kPodPrefix = "pod";
constexpr std::string_view kUserManagerBegin = "/user@", kUserManagerEnd = ".service/";
constexpr std::string_view kUuidShape = "xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx";
constexpr std::string_view kStaticShape = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

bool is_word(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }

bool has_shape(std::string_view text, std::string_view shape) {
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool fits = shape[i] == 'x' ? is_hex_digit(text[i]) : text[i] == '-' || text[i] == '_';
    if (!fits) return false;
  }
  return true;
}

}  // namespace

bool is_hex_digit(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

bool is_punctuation(char c) {
  return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') || (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

Result<std::vector<std::string_view>> parse_cgroups(std::string_view text) {
  std::vector<std::string_view> paths;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t first = line.find(':');
    const std::size_t second = first == std::string_view::npos ? first : line.find(':', first + 1);
    if (second == std::string_view::npos) {
      return Error(ErrorCode::kMalformed,
                   fmt::format("invalid cgroup entry, contains {} colon separated fields but expected at least 3: {}",
                               first == std::string_view::npos ? 1 : 2, runtime::go_quote(line)));
    }
    paths.push_back(line.substr(second + 1));
  }
  return paths;
}

std::size_t find_container_id(std::string_view segment) {
  std::size_t at = 0;
  while (at < segment.size()) {
    if (!is_word(segment[at])) {
      ++at;
      continue;
    }
    std::size_t end = at;
    while (end < segment.size() && is_word(segment[end])) ++end;
    const std::string_view word = segment.substr(at, end - at);
    if (word.size() == kContainerIdSize && std::all_of(word.begin(), word.end(), is_hex_digit)) return at;
    at = end;
  }
  return std::string_view::npos;
}

std::string find_pod_uid(std::string_view segment, PodUidForm form) {
  const std::string_view shape = form == PodUidForm::kUuid ? kUuidShape : kStaticShape;
  for (std::size_t at = segment.find(kPodPrefix); at != std::string_view::npos; at = segment.find(kPodPrefix, at + 1)) {
    const std::size_t begin = at + kPodPrefix.size();
    const std::size_t end = begin + shape.size();
    if (end > segment.size() || (at > 0 && is_word(segment[at - 1]))) continue;
    if (end < segment.size() && is_word(segment[end])) continue;
    std::string uid(segment.substr(begin, shape.size()));
    if (!has_shape(uid, shape)) continue;
    std::replace(uid.begin(), uid.end(), '_', '-');
    return uid;
  }
  return {};
}

bool leads_below_user_manager(std::string_view path) {
  for (std::size_t at = path.find(kUserManagerBegin); at != std::string_view::npos;
       at = path.find(kUserManagerBegin, at + 1)) {
    std::string_view rest = path.substr(at + kUserManagerBegin.size());
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    if (digits > 0 && rest.substr(digits).starts_with(kUserManagerEnd)) return true;
  }
  return false;
}

}  // namespace steeple::attestation
