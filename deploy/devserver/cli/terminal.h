// What a command writes to and reads from. main() gives the process's own; tests give strings.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::devserver {

inline constexpr std::size_t kInputBytesMax = 64u << 20;  // of a file or of standard input

class Terminal {
 public:
  virtual ~Terminal() = default;
  virtual void out(std::string_view text) = 0;
  virtual void err(std::string_view text) = 0;
  virtual runtime::Result<std::string> read_input() = 0;  // all of standard input
  virtual std::optional<std::string> environment(const std::string& name) = 0;
};

class ProcessTerminal final : public Terminal {
 public:
  void out(std::string_view text) override;
  void err(std::string_view text) override;
  runtime::Result<std::string> read_input() override;
  std::optional<std::string> environment(const std::string& name) override;
};

}  // namespace steeple::devserver
