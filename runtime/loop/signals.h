// Signals of the process, delivered on the loop. One owner (the app); while it lives, SIGTERM, SIGINT, SIGUSR1 and
// SIGUSR2 call its handler from the loop, never inside a system call of other code. I/O thread only.
#pragma once

#include <functional>
#include <memory>

#include "runtime/core/result.h"
#include "runtime/loop/loop.h"

namespace steeple::runtime {

// The first thing main() does: a log rotator's SIGUSR1 or SIGUSR2 that comes before there is a handler must not end the
// process (config-cli 5), and a peer that hangs up must not either (SIGPIPE).
void ignore_early_signals();

class Signals {
 public:
  using Handler = std::function<void(int signal_number)>;
  static Result<std::unique_ptr<Signals>> install(Loop& loop, Handler handler);
  ~Signals();  // the handler is not called any more; SIGUSR1 and SIGUSR2 are ignored again, the others end the process
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  struct Shared;
  explicit Signals(std::shared_ptr<Shared> shared);
  std::shared_ptr<Shared> shared_;
};

}  // namespace steeple::runtime
