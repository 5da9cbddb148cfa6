#include "runtime/engine/ring.h"

#include <liburing.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

#include "runtime/core/assert.h"

namespace steeple::runtime {

namespace {

constexpr unsigned kCompletionsPerEntry = 4;
constexpr std::uint16_t kBufferGroup = 0;
constexpr unsigned kRoundsMax = 8;  // a turn leaves the other parts of the loop their share

void* map_memory(std::size_t size) {
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_ANONYMOUS | MAP_PRIVATE, -1, 0);
  return memory == MAP_FAILED ? nullptr : memory;
}

io_uring_restriction allow_sqe(std::uint8_t operation) {
  io_uring_restriction restriction{};
  restriction.opcode = IORING_RESTRICTION_SQE_OP;
  restriction.sqe_op = operation;
  return restriction;
}

io_uring_restriction allow_flags(std::uint8_t flags) {
  io_uring_restriction restriction{};
  restriction.opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
  restriction.sqe_flags = flags;
  return restriction;
}

io_uring_restriction allow_register(std::uint8_t operation) {
  io_uring_restriction restriction{};
  restriction.opcode = IORING_RESTRICTION_REGISTER_OP;
  restriction.register_op = operation;
  return restriction;
}

// liburing 2.3 declares, but does not export, its functions for these two.
int register_with(const io_uring& ring, unsigned operation, const void* argument, unsigned count) {
  return ::syscall(SYS_io_uring_register, ring.ring_fd, operation, argument, count) == 0 ? 0 : errno;
}

}  // namespace

Ring::Ring(Options options) : options_(options), ring_(std::make_unique<io_uring>()) {}

Result<std::unique_ptr<Ring>, Ring::Failure> Ring::open(Options options) {
  std::unique_ptr<Ring> ring(new Ring(options));
  int error = ring->set_up(true);
  if (error == EINVAL) error = ring->set_up(false);
  if (error != 0) return Failure{Step::kSetup, error};
  if (error = ring->add_buffers(); error != 0) return Failure{Step::kBuffers, error};
  if (error = ring->restrict_operations(); error != 0) return Failure{Step::kRestrict, error};
  if (error = register_with(*ring->ring_, IORING_REGISTER_ENABLE_RINGS, nullptr, 0); error != 0) {
    return Failure{Step::kEnable, error};
  }
  return ring;
}

Ring::~Ring() {
  if (ring_made_) io_uring_queue_exit(ring_.get());
  if (buffer_ring_ != nullptr) ::munmap(buffer_ring_, options_.buffers * sizeof(io_uring_buf));
  if (buffers_ != nullptr) ::munmap(buffers_, std::size_t{options_.buffers} * options_.buffer_bytes);
}

int Ring::set_up(bool deferred) {
  io_uring_params parameters{};
  parameters.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CLAMP | IORING_SETUP_CQSIZE | IORING_SETUP_TASKRUN_FLAG;
  parameters.flags |= deferred ? IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN : IORING_SETUP_COOP_TASKRUN;
  parameters.cq_entries = options_.entries * kCompletionsPerEntry;
  int result = io_uring_queue_init_params(options_.entries, ring_.get(), &parameters);
  ring_made_ = result == 0;
  return -result;
}

int Ring::add_buffers() {
  STEEPLE_ASSERT(options_.buffers != 0 && (options_.buffers & (options_.buffers - 1)) == 0);
  buffer_ring_ = map_memory(options_.buffers * sizeof(io_uring_buf));
  buffers_ = static_cast<std::uint8_t*>(map_memory(std::size_t{options_.buffers} * options_.buffer_bytes));
  if (buffer_ring_ == nullptr || buffers_ == nullptr) return ENOMEM;
  io_uring_buf_reg registration{};
  registration.ring_addr = reinterpret_cast<std::uintptr_t>(buffer_ring_);
  registration.ring_entries = options_.buffers;
  registration.bgid = kBufferGroup;
  if (int result = io_uring_register_buf_ring(ring_.get(), &registration, 0); result < 0) return -result;
  io_uring_buf_ring_init(static_cast<io_uring_buf_ring*>(buffer_ring_));
  for (std::uint32_t slot = 0; slot < options_.buffers; ++slot) give_back(slot);
  event_fd_ = FileDescriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!event_fd_) return errno;
  return -io_uring_register_eventfd(ring_.get(), event_fd_.get());
}

// Everything that is registered is registered by now; later only the ring's descriptor may be taken out again.
int Ring::restrict_operations() {
  io_uring_restriction restrictions[] = {
      allow_sqe(IORING_OP_ACCEPT),
      allow_sqe(IORING_OP_RECV),
      allow_sqe(IORING_OP_SEND),
      allow_sqe(IORING_OP_ASYNC_CANCEL),
      allow_sqe(IORING_OP_CLOSE),
      allow_flags(IOSQE_BUFFER_SELECT | IOSQE_CQE_SKIP_SUCCESS),
      allow_register(IORING_REGISTER_ENABLE_RINGS),
      allow_register(IORING_UNREGISTER_RING_FDS),
  };
  (void)io_uring_register_ring_fd(ring_.get());  // saves a lookup per system call where the kernel has it
  return register_with(*ring_, IORING_REGISTER_RESTRICTIONS, restrictions, std::size(restrictions));
}

// What finds the queue full even after a submit (the kernel may refuse one) waits in order in the backlog.
io_uring_sqe* Ring::prepare(RingOp* op) {
  io_uring_sqe* submission = backlog_.empty() ? io_uring_get_sqe(ring_.get()) : nullptr;
  if (submission == nullptr && backlog_.empty()) {
    io_uring_submit(ring_.get());
    submission = io_uring_get_sqe(ring_.get());
  }
  if (submission == nullptr) submission = &backlog_.emplace_back();
  // liburing's io_uring_prep_* calls keep user_data as it is.
  submission->user_data = reinterpret_cast<std::uintptr_t>(op);
  return submission;
}

bool Ring::has_unsubmitted() const { return io_uring_sq_ready(ring_.get()) != 0 || !backlog_.empty(); }

void Ring::cancel(RingOp& op) {
  io_uring_sqe* submission = prepare(nullptr);
  io_uring_prep_cancel64(submission, reinterpret_cast<std::uintptr_t>(&op), 0);
  submission->flags |= IOSQE_CQE_SKIP_SUCCESS;
}

void Ring::move_backlog() {
  std::size_t moved = 0;
  while (moved < backlog_.size()) {
    io_uring_sqe* submission = io_uring_get_sqe(ring_.get());
    if (submission == nullptr) break;
    *submission = backlog_[moved++];
  }
  backlog_.erase(backlog_.begin(), backlog_.begin() + static_cast<std::ptrdiff_t>(moved));
}

void Ring::enter() {
  if (!backlog_.empty()) move_backlog();
  int result = io_uring_sq_ready(ring_.get()) != 0 ? io_uring_submit_and_get_events(ring_.get())
                                                   : io_uring_get_events(ring_.get());
  // Interrupted, or out of something for a moment: what was not submitted is still queued.
  STEEPLE_ASSERT(result >= 0 || result == -EINTR || result == -EAGAIN || result == -EBUSY || result == -ENOMEM);
}

bool Ring::kernel_has_more() const {
  constexpr unsigned kMore = IORING_SQ_TASKRUN | IORING_SQ_CQ_OVERFLOW;
  return io_uring_cq_ready(ring_.get()) != 0 || (__atomic_load_n(ring_->sq.kflags, __ATOMIC_ACQUIRE) & kMore) != 0;
}

// What came while the eventfd was off is seen here: the kernel sets its flag first and looks at ours then.
bool Ring::signal_again() {
  (void)io_uring_cq_eventfd_toggle(ring_.get(), true);
  std::atomic_thread_fence(std::memory_order_seq_cst);
  return kernel_has_more();
}

// Meanwhile the eventfd is off: it would wake the loop for what is looked at here anyway.
bool Ring::turn(unsigned completions_max) {
  unsigned completed = 0;
  (void)io_uring_cq_eventfd_toggle(ring_.get(), false);
  for (unsigned round = 0; round < kRoundsMax && completed < completions_max; ++round) {
    enter();
    io_uring_cqe* completion = nullptr;
    while (io_uring_cq_ready(ring_.get()) != 0 && completed < completions_max) {
      unsigned head = *ring_->cq.khead;
      completion = &ring_->cq.cqes[head & *ring_->cq.kring_mask];
      auto* op = reinterpret_cast<RingOp*>(static_cast<std::uintptr_t>(completion->user_data));
      const std::int32_t result = completion->res;
      const std::uint32_t flags = completion->flags;
      io_uring_cq_advance(ring_.get(), 1);  // first: the operation may submit, and need the place
      ++completed;
      if (op != nullptr) op->complete_(*op, result, flags);
    }
    if (!has_unsubmitted() && !kernel_has_more()) return signal_again();
  }
  return true;
}

void Ring::give_back(std::uint32_t slot) {
  auto* buffers = static_cast<io_uring_buf_ring*>(buffer_ring_);
  io_uring_buf_ring_add(buffers, buffer(slot), options_.buffer_bytes, static_cast<std::uint16_t>(slot),
                        io_uring_buf_ring_mask(options_.buffers), 0);
  io_uring_buf_ring_advance(buffers, 1);
}

}  // namespace steeple::runtime
