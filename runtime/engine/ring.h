// One io_uring instance, owned by one thread: created disabled, restricted to the operations Steeple uses, then
// enabled, so that a hijacked process cannot open or write files through it. Completions reach the operation that asked
// for them. SINGLE_ISSUER + DEFER_TASKRUN, or COOP_TASKRUN on kernels before 6.1. A registered eventfd tells of
// completions: with DEFER_TASKRUN the ring's own descriptor does not become readable.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "runtime/core/result.h"
#include "runtime/os/file_descriptor.h"

struct io_uring;
struct io_uring_sqe;

namespace steeple::runtime {

// What a completion finds through its user_data. It stays in place until its last completion.
class RingOp {
 public:
  using Complete = void (*)(RingOp& op, std::int32_t result, std::uint32_t flags);
  explicit RingOp(Complete complete) : complete_(complete) {}
  RingOp(const RingOp&) = delete;
  RingOp& operator=(const RingOp&) = delete;

 private:
  friend class Ring;
  Complete complete_;
};

class Ring {
 public:
  struct Options {
    unsigned entries = 1024;  // submissions per batch; four times as many completions
    unsigned buffers = 512;   // lent to the kernel; a power of two
    unsigned buffer_bytes = 2048;
  };
  // Where open() failed, for the probe.
  enum class Step { kSetup, kBuffers, kRestrict, kEnable };
  struct Failure {
    Step step;
    int error_number;
  };
  static Result<std::unique_ptr<Ring>, Failure> open(Options options);
  ~Ring();  // no operation may be under way
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;

  int event_fd() const { return event_fd_.get(); }

  // A submission to fill in with io_uring_prep_*, sent with the next submit(). `op` may be null: the completion is
  // dropped.
  io_uring_sqe* prepare(RingOp* op);
  bool has_unsubmitted() const;
  void cancel(RingOp& op);  // its completion still comes

  // Submits, lets the kernel finish what it has, and runs at most about `completions_max` completions.
  // True when more may be waiting.
  bool turn(unsigned completions_max);

  // The buffer of a completion with IORING_CQE_F_BUFFER, and the way back.
  std::uint8_t* buffer(std::uint32_t slot) const { return buffers_ + std::size_t{slot} * options_.buffer_bytes; }
  void give_back(std::uint32_t slot);
  unsigned buffer_count() const { return options_.buffers; }
  unsigned buffer_bytes() const { return options_.buffer_bytes; }

 private:
  explicit Ring(Options options);
  int set_up(bool deferred);
  int add_buffers();
  int restrict_operations();
  void enter();
  bool kernel_has_more() const;
  bool signal_again();
  void move_backlog();

  Options options_;
  std::unique_ptr<io_uring> ring_;
  bool ring_made_ = false;
  void* buffer_ring_ = nullptr;
  std::uint8_t* buffers_ = nullptr;
  std::vector<io_uring_sqe> backlog_;  // submissions for which the queue had no room
  FileDescriptor event_fd_;
};

}  // namespace steeple::runtime
