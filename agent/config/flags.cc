#include "agent/config/flags.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/config/hcl/parse_int.h"
#include "runtime/core/go_text.h"

namespace steeple::agent {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error wrong(std::string message) { return Error(ErrorCode::kInvalidArgument, std::move(message)); }

Result<bool> parse_bool(std::string_view text) {
  for (const std::string_view yes : {"1", "t", "T", "true", "TRUE", "True"}) {
    if (text == yes) return true;
  }
  for (const std::string_view no : {"0", "f", "F", "false", "FALSE", "False"}) {
    if (text == no) return false;
  }
  return wrong("parse error");
}

}  // namespace

void FlagSet::insert(Flag flag) {
  const auto before = [](const Flag& left, const Flag& right) { return left.name < right.name; };
  flags_.insert(std::lower_bound(flags_.begin(), flags_.end(), flag, before), std::move(flag));
}

void FlagSet::add(std::string_view name, std::string& value, std::string_view help) {
  const auto set = [&value](const std::string& text) -> Result<void> {
    value = text;
    return {};
  };
  insert({std::string(name), "string", std::string(help), value.empty() ? "" : runtime::go_quote(value), set});
}

void FlagSet::add(std::string_view name, bool& value, std::string_view help) {
  const auto set = [&value](const std::string& text) -> Result<void> {
    STEEPLE_TRY(parsed, parse_bool(text));
    value = parsed;
    return {};
  };
  insert({std::string(name), "", std::string(help), value ? "true" : "", set});
}

void FlagSet::add(std::string_view name, std::int64_t& value, std::string_view help) {
  const auto set = [&value](const std::string& text) -> Result<void> {
    Result<std::int64_t> parsed = hcl::parse_int_any_base(text);
    if (!parsed) return wrong(parsed.error().code() == ErrorCode::kLimit ? "value out of range" : "parse error");
    value = *parsed;
    return {};
  };
  insert({std::string(name), "int", std::string(help), value == 0 ? "" : std::to_string(value), set});
}

void FlagSet::add(std::string_view name, std::chrono::nanoseconds& value, std::string_view help) {
  const auto set = [&value](const std::string& text) -> Result<void> {
    STEEPLE_TRY(parsed, runtime::parse_go_duration(text));
    value = parsed;
    return {};
  };
  const bool zero = value == std::chrono::nanoseconds::zero();
  insert({std::string(name), "value", std::string(help), zero ? "" : runtime::go_duration(value), set});
}

void FlagSet::add_value(std::string_view name, Set set, std::string_view help) {
  insert({std::string(name), "value", std::string(help), "", std::move(set)});
}

const FlagSet::Flag* FlagSet::find(std::string_view name) const {
  const auto at = std::find_if(flags_.begin(), flags_.end(), [name](const Flag& flag) { return flag.name == name; });
  return at == flags_.end() ? nullptr : &*at;
}

Result<std::vector<std::string>> FlagSet::parse(const std::vector<std::string>& arguments) {
  std::size_t at = 0;
  while (at < arguments.size()) {
    const std::string& word = arguments[at];
    if (word.size() < 2 || word[0] != '-') break;
    if (word == "--") {
      ++at;
      break;
    }
    STEEPLE_CHECK(parse_one(arguments, at));
  }
  return std::vector<std::string>(arguments.begin() + static_cast<std::ptrdiff_t>(at), arguments.end());
}

Result<void> FlagSet::parse_one(const std::vector<std::string>& arguments, std::size_t& at) {
  const std::string& word = arguments[at++];
  std::string_view name = std::string_view(word).substr(word[1] == '-' ? 2 : 1);
  if (name.empty() || name[0] == '-' || name[0] == '=') return wrong("bad flag syntax: " + word);
  const std::size_t equals = name.find('=');
  const bool has_value = equals != std::string_view::npos;
  std::string value = has_value ? std::string(name.substr(equals + 1)) : "";
  name = name.substr(0, equals);
  const Flag* flag = find(name);
  if (!flag) {
    if (name == "help" || name == "h") return Error(ErrorCode::kCancelled, std::string(kHelpRequested));
    return wrong(fmt::format("flag provided but not defined: -{}", name));
  }
  if (flag->type.empty()) {
    const Result<void> set = flag->set(has_value ? value : "true");
    if (set) return {};
    return wrong(
        fmt::format("invalid boolean value {} for -{}: {}", runtime::go_quote(value), name, set.error().message()));
  }
  if (!has_value) {
    if (at == arguments.size()) return wrong(fmt::format("flag needs an argument: -{}", name));
    value = arguments[at++];
  }
  const Result<void> set = flag->set(value);
  if (set) return {};
  return wrong(fmt::format("invalid value {} for flag -{}: {}", runtime::go_quote(value), name, set.error().message()));
}

std::string FlagSet::usage() const {
  std::string text = fmt::format("Usage of {}:\n", name_);
  for (const Flag& flag : flags_) {
    text += fmt::format("  -{}{}{}\n    \t{}", flag.name, flag.type.empty() ? "" : " ", flag.type, flag.help);
    if (!flag.default_text.empty()) text += fmt::format(" (default {})", flag.default_text);
    text += "\n";
  }
  return text;
}

}  // namespace steeple::agent
