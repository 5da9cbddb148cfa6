// What a command writes to and asks of its surroundings. main() gives the process's own; tests give strings.
#pragma once

#include <string>
#include <string_view>

#include "agent/config/agent_config.h"
#include "agent/config/expand_env.h"

namespace steeple::agent::cli {

class Output {
 public:
  virtual ~Output() = default;
  virtual void out(std::string_view text) = 0;
  virtual void err(std::string_view text) = 0;
};

class StandardOutput final : public Output {
 public:
  void out(std::string_view text) override;
  void err(std::string_view text) override;
};

class StringOutput final : public Output {
 public:
  void out(std::string_view text) override { out_text += text; }
  void err(std::string_view text) override { err_text += text; }
  std::string out_text;
  std::string err_text;
};

struct Context {
  Output& output;
  Environment environment;
  int (*run_agent)(AgentConfig config);  // what `run` starts once the configuration is good
};

}  // namespace steeple::agent::cli
