// Ordinary calls share it for their whole length; rotation and re-attestation take it alone, so that no call is under
// way while the agent SVID changes (server-sync 1.6). First come, first served: waiting rotations hold back new calls.
// I/O thread only; holders end before the lock does.
#pragma once

#include <cstddef>
#include <list>
#include <utility>

#include "runtime/task/signal.h"

namespace steeple::agent {

class RotationLock {
 public:
  explicit RotationLock(runtime::Loop& loop) : loop_(loop) {}
  RotationLock(const RotationLock&) = delete;
  RotationLock& operator=(const RotationLock&) = delete;

  class Holder {
   public:
    Holder() = default;
    Holder(Holder&& other) noexcept : lock_(std::exchange(other.lock_, nullptr)), alone_(other.alone_) {}
    Holder& operator=(Holder&& other) noexcept;
    ~Holder() { release(); }
    void release();

   private:
    friend class RotationLock;
    Holder(RotationLock* lock, bool alone) : lock_(lock), alone_(alone) {}
    RotationLock* lock_ = nullptr;
    bool alone_ = false;
  };

  runtime::Task<runtime::Result<Holder>> share(runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<runtime::Result<Holder>> take_alone(runtime::Deadline deadline, runtime::StopToken stop);

 private:
  struct Waiter {
    Waiter(runtime::Loop& loop, bool wants_alone) : turn(loop), alone(wants_alone) {}
    runtime::Signal turn;
    bool alone;
    bool admitted = false;
  };
  runtime::Task<runtime::Result<Holder>> enter(bool alone, runtime::Deadline deadline, runtime::StopToken stop);
  bool free_for(bool alone) const { return !held_alone_ && (!alone || shared_ == 0); }
  void hold(bool alone);
  void admit();

  runtime::Loop& loop_;
  std::size_t shared_ = 0;
  bool held_alone_ = false;
  std::list<Waiter*> waiting_;
};

}  // namespace steeple::agent
