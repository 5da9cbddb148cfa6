// Recorded command lines: reading them, and matching what a command printed against a recorded text with placeholders.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "agent/cli/command.h"

namespace steeple::tests {

struct Recording {
  std::string id;
  std::string state;
  std::vector<std::string> arguments;  // without the program's name
  std::map<std::string, std::string> environment;
  int exit = 0;
  std::string out;
  std::string err;
};

std::vector<Recording> load_recordings(const std::string& file, const std::map<std::string, std::string>& placeholders);

struct Printed {
  int exit = 0;
  std::string out;
  std::string err;
};
Printed run_recording(const Recording& recording);

// <TEXT> stands for anything on one line, <GOTIME>, <DUR>, <BASE64> for what they say.
bool matches(const std::string& actual, const std::string& recorded);

std::string replace_all(std::string text, std::string_view from, std::string_view to);

}  // namespace steeple::tests
