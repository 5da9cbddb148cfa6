// A plugin's standard error as lines of the agent's log (config-cli 1.8): the JSON lines of go-hclog at their level
// with their fields, others at debug, or at the level that a prefix such as "[WARN]" names; a Go panic and what follows
// at error. Sans I/O. Limit: 64 KiB a line; the pieces of a longer one go to debug.
#pragma once

#include "agent/plugin/line_splitter.h"
#include "runtime/core/log.h"

namespace steeple::agent {

inline constexpr std::size_t kPluginLineBytesMax = 64u << 10;

class StderrLog {
 public:
  explicit StderrLog(runtime::Logger log) : log_(std::move(log)), lines_(kPluginLineBytesMax) {}

  void feed(std::string_view bytes);
  void end();  // of the stream

 private:
  void take(std::string_view line, bool whole);
  void take_plain(std::string_view line);
  bool take_json(std::string_view line);

  runtime::Logger log_;
  LineSplitter lines_;
  bool in_panic_ = false;
};

}  // namespace steeple::agent
