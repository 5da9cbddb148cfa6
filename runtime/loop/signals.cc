#include "runtime/loop/signals.h"

#include <signal.h>

#include <boost/asio/signal_set.hpp>

namespace steeple::runtime {

namespace {
constexpr int kHandled[] = {SIGTERM, SIGINT, SIGUSR1, SIGUSR2};
}

void ignore_early_signals() {
  for (int signal_number : {SIGUSR1, SIGUSR2, SIGPIPE}) ::signal(signal_number, SIG_IGN);
}

// The loop's handler refers to this: it may run after the owner is gone.
struct Signals::Shared {
  Shared(Loop& loop, Handler handler_of_owner) : set(loop.io()), handler(std::move(handler_of_owner)) {}
  boost::asio::signal_set set;
  Handler handler;

  static void wait(std::shared_ptr<Shared> shared) {
    boost::asio::signal_set& set = shared->set;
    set.async_wait([shared = std::move(shared)](const boost::system::error_code& error, int signal_number) {
      if (error || !shared->handler) return;
      shared->handler(signal_number);
      if (shared->handler) wait(shared);
    });
  }
};

Signals::Signals(std::shared_ptr<Shared> shared) : shared_(std::move(shared)) {}

Result<std::unique_ptr<Signals>> Signals::install(Loop& loop, Handler handler) {
  ::signal(SIGPIPE, SIG_IGN);
  auto shared = std::make_shared<Shared>(loop, std::move(handler));
  for (int signal_number : kHandled) {
    boost::system::error_code error;
    shared->set.add(signal_number, error);
    if (error) return system_error("handle signals", error.value());
  }
  Shared::wait(shared);
  return std::unique_ptr<Signals>(new Signals(std::move(shared)));
}

// Clearing the set restores the default action, which would let a late SIGUSR1 end the process: both are held back
// meanwhile, and ignoring a signal drops what was held back.
Signals::~Signals() {
  sigset_t held, before;
  sigemptyset(&held);
  sigaddset(&held, SIGUSR1);
  sigaddset(&held, SIGUSR2);
  pthread_sigmask(SIG_BLOCK, &held, &before);
  boost::system::error_code ignored;
  shared_->handler = nullptr;
  shared_->set.clear(ignored);
  shared_->set.cancel(ignored);
  ignore_early_signals();
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
}

}  // namespace steeple::runtime
