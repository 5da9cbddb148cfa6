// Command-line flags with the semantics and the texts of Go's flag package (config-cli 4.2), for the agent's commands
// and the development server's. Parsing stops at the first word that is no flag, or after "--". Pure; a set points into
// the variables it fills.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::agent {

class FlagSet {
 public:
  explicit FlagSet(std::string name) : name_(std::move(name)) {}

  void add(std::string_view name, std::string& value, std::string_view help);
  void add(std::string_view name, bool& value, std::string_view help);
  void add(std::string_view name, std::int64_t& value, std::string_view help);
  // A duration as SPIRE's client commands take it: type "value", shown as Go prints durations.
  void add(std::string_view name, std::chrono::nanoseconds& value, std::string_view help);
  // Any other type. `set` gives the error that follows `invalid value "x" for flag -name: `.
  using Set = std::function<runtime::Result<void>(const std::string& text)>;
  void add_value(std::string_view name, Set set, std::string_view help);

  // The words after the flags. Error code kCancelled with "flag: help requested" for -h and -help.
  runtime::Result<std::vector<std::string>> parse(const std::vector<std::string>& arguments);

  // "Usage of NAME:" and a paragraph for each flag, sorted. Ends with a newline.
  std::string usage() const;
  const std::string& name() const { return name_; }

 private:
  struct Flag {
    std::string name;
    std::string type;  // "" for booleans
    std::string help;
    std::string default_text;  // empty: not shown
    Set set;
  };
  void insert(Flag flag);
  const Flag* find(std::string_view name) const;
  runtime::Result<void> parse_one(const std::vector<std::string>& arguments, std::size_t& at);

  std::string name_;
  std::vector<Flag> flags_;
};

inline constexpr std::string_view kHelpRequested = "flag: help requested";

}  // namespace steeple::agent
