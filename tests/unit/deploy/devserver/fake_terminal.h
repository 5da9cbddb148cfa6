// A terminal that keeps what is written to it and reads from a string.
#pragma once

#include <map>
#include <string>

#include "deploy/devserver/cli/terminal.h"

class FakeTerminal final : public steeple::devserver::Terminal {
 public:
  void out(std::string_view text) override { out_text += text; }
  void err(std::string_view text) override { err_text += text; }
  steeple::runtime::Result<std::string> read_input() override { return input; }
  std::optional<std::string> environment(const std::string& name) override {
    auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  }

  std::string input;
  std::map<std::string, std::string> variables;
  std::string out_text;
  std::string err_text;
};
