// Flags that the client commands share: which socket, how long, and how to print (config-cli 4.2).
#pragma once

#include <chrono>
#include <string>

#include "agent/cli/output.h"
#include "agent/config/flags.h"
#include "runtime/core/deadline.h"

namespace steeple::agent::cli {

// "-output": pretty or json. Setting it a second time to another text is an error; several flags may share one.
class OutputFormat {
 public:
  runtime::Result<void> set(const std::string& text);
  bool json() const { return json_; }

 private:
  bool json_ = false;
  bool is_set_ = false;
};

struct SocketFlags {
  std::string path;
  std::string instance;
};
void add_socket_flags(FlagSet& flags, SocketFlags& socket);
void add_timeout_flag(FlagSet& flags, std::chrono::nanoseconds& timeout);
void add_output_flag(FlagSet& flags, OutputFormat& format, std::string_view name = "output");

// The absolute path by flag, instance template, environment or default, in this order.
runtime::Result<std::string> resolve_socket(const SocketFlags& socket, const Environment& environment);

runtime::Deadline deadline_of(std::chrono::nanoseconds timeout);  // zero and less: never

}  // namespace steeple::agent::cli
