#include "runtime/os/procfs.h"

#include <charconv>
#include <optional>
#include <string>

namespace steeple::runtime {

namespace {

constexpr std::size_t kStartTimeField = 22;  // counted from 1, as proc(5) does
constexpr std::size_t kStatFieldsLeast = 38;

template <class Number>
std::optional<Number> parse_number(std::string_view text) {
  Number number = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

// The next word of `text`, or an empty one at its end.
std::string_view take_word(std::string_view& text) {
  std::size_t start = text.find_first_not_of(" \t");
  if (start == std::string_view::npos) return text = {};
  std::size_t end = text.find_first_of(" \t", start);
  std::string_view word = text.substr(start, end == std::string_view::npos ? end : end - start);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end);
  return word;
}

// What follows "KEY:" on the first line that starts with it; `text` then begins with the line after that one. Lines
// come in the order in which they are asked for, as the kernel writes them.
std::optional<std::string_view> take_line(std::string_view& text, std::string_view key) {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.starts_with(key)) return line.substr(key.size());
  }
  return std::nullopt;
}

Error bad_status(std::string_view key) {
  return Error(ErrorCode::kMalformed, "no valid line \"" + std::string(key) + "\" in process status");
}

Result<ProcStatus::Ids> parse_ids(std::string_view& text, std::string_view key) {
  std::optional<std::string_view> line = take_line(text, key);
  if (!line) return bad_status(key);
  std::optional<std::uint32_t> real = parse_number<std::uint32_t>(take_word(*line));
  std::optional<std::uint32_t> effective = parse_number<std::uint32_t>(take_word(*line));
  if (!real || !effective) return bad_status(key);
  return ProcStatus::Ids{*real, *effective};
}

Result<std::vector<gid_t>> parse_groups(std::string_view& text) {
  constexpr std::string_view kKey = "Groups:";
  std::optional<std::string_view> line = take_line(text, kKey);
  if (!line) return bad_status(kKey);
  std::vector<gid_t> groups;
  for (std::string_view word = take_word(*line); !word.empty(); word = take_word(*line)) {
    std::optional<gid_t> group = parse_number<gid_t>(word);
    if (!group || groups.size() == kSupplementaryGroupsMax) return bad_status(kKey);
    groups.push_back(*group);
  }
  return groups;
}

}  // namespace

Result<ProcStatus> parse_proc_status(std::string_view text) {
  ProcStatus status;
  STEEPLE_TRY(uid, parse_ids(text, "Uid:"));
  STEEPLE_TRY(gid, parse_ids(text, "Gid:"));
  STEEPLE_TRY(groups, parse_groups(text));
  status.uid = uid;
  status.gid = gid;
  status.groups = std::move(groups);
  return status;
}

Result<std::uint64_t> parse_proc_stat_start_time(std::string_view text) {
  std::size_t open = text.find('(');
  std::size_t close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) {
    return Error(ErrorCode::kMalformed, "bad stat data: task name is not parenthesized");
  }
  text.remove_prefix(close + 1);
  if (text.ends_with('\n')) text.remove_suffix(1);
  std::string_view start_time;
  std::size_t field = 2;  // the pid and the name
  for (std::string_view word = take_word(text); !word.empty(); word = take_word(text)) {
    if (++field == kStartTimeField) start_time = word;
  }
  std::optional<std::uint64_t> value = parse_number<std::uint64_t>(start_time);
  if (field < kStatFieldsLeast || !value) {
    return Error(ErrorCode::kMalformed, "bad stat data or unsupported platform");
  }
  return *value;
}

}  // namespace steeple::runtime
