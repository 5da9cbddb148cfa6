#include "runtime/engine/uring_engine.h"

#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>

#include "runtime/core/assert.h"

namespace steeple::runtime {

namespace {

constexpr unsigned kCompletionsPerTurn = 2048;

std::string_view to_text(Ring::Step step) {
  switch (step) {
    case Ring::Step::kSetup:
      return "io_uring: set up";
    case Ring::Step::kBuffers:
      return "io_uring: register buffers";
    case Ring::Step::kRestrict:
      return "io_uring: restrict operations";
    case Ring::Step::kEnable:
      return "io_uring: enable";
  }
  return "io_uring";
}

}  // namespace

// Handlers that the loop holds refer to this, never to the engine itself.
struct UringEngine::Attachment {
  Attachment(Loop& loop, int event_fd, UringEngine* owner) : engine(owner), event(loop.io(), event_fd) {}
  UringEngine* engine;
  boost::asio::posix::stream_descriptor event;
  std::uint64_t count = 0;
};

Result<std::unique_ptr<UringEngine>> UringEngine::create(Loop& loop, Ring::Options options) {
  Result<std::unique_ptr<Ring>, Ring::Failure> ring = Ring::open(options);
  if (!ring) return system_error(to_text(ring.error().step), ring.error().error_number);
  return std::unique_ptr<UringEngine>(new UringEngine(loop, std::move(*ring)));
}

UringEngine::UringEngine(Loop& loop, std::unique_ptr<Ring> ring)
    : loop_(loop), ring_(std::move(ring)), attachment_(std::make_shared<Attachment>(loop, ring_->event_fd(), this)) {
  wait_for_events();
}

UringEngine::~UringEngine() {
  STEEPLE_ASSERT(users_ == 0 && !pumping_);
  if (ring_->has_unsubmitted()) ring_->turn(kCompletionsPerTurn);  // descriptors that are still to be closed
  attachment_->engine = nullptr;
  attachment_->event.release();  // the descriptor is the ring's
}

std::unique_ptr<UringConnection> UringEngine::adopt(FileDescriptor socket) {
  return std::make_unique<UringConnection>(*this, std::move(socket));
}

io_uring_sqe* UringEngine::prepare(RingOp* op) {
  submit_soon();
  return ring_->prepare(op);
}

void UringEngine::cancel(RingOp& op) {
  submit_soon();
  ring_->cancel(op);
}

// Everything that is prepared in one turn of the loop goes to the kernel in one call.
void UringEngine::submit_soon() {
  if (pumping_ || std::exchange(pump_posted_, true)) return;
  boost::asio::post(loop_.io(), [attachment = attachment_] {
    if (attachment->engine == nullptr) return;
    attachment->engine->pump_posted_ = false;
    attachment->engine->pump();
  });
}

void UringEngine::wait_for_events() {
  attachment_->event.async_read_some(boost::asio::buffer(&attachment_->count, sizeof attachment_->count),
                                     [attachment = attachment_](const boost::system::error_code& error, std::size_t) {
                                       if (attachment->engine == nullptr) return;
                                       STEEPLE_ASSERT(!error);
                                       attachment->engine->pump();
                                       attachment->engine->wait_for_events();
                                     });
}

void UringEngine::pump() {
  STEEPLE_ASSERT(!pumping_);
  pumping_ = true;
  ++turn_;
  feed_starved();
  const bool more = ring_->turn(kCompletionsPerTurn);
  pumping_ = false;
  if (more || can_feed()) submit_soon();
}

void UringEngine::starve(UringConnection::Receive& receive) {
  receive.starved_ = true;
  receive.previous_ = starved_last_;
  receive.next_ = nullptr;
  (starved_last_ != nullptr ? starved_last_->next_ : starved_first_) = &receive;
  starved_last_ = &receive;
}

void UringEngine::unstarve(UringConnection::Receive& receive) {
  receive.starved_ = false;
  (receive.previous_ != nullptr ? receive.previous_->next_ : starved_first_) = receive.next_;
  (receive.next_ != nullptr ? receive.next_->previous_ : starved_last_) = receive.previous_;
}

// Starts again as many receives as there are buffers; who finds none comes back to the end of the queue.
void UringEngine::feed_starved() {
  for (std::size_t free = ring_->buffer_count() - lent_buffers_; free > 0 && starved_first_ != nullptr; --free) {
    UringConnection::Receive& receive = *starved_first_;
    unstarve(receive);
    receive.start();
  }
}

void UringEngine::release_buffer(void* engine, std::uint32_t slot) {
  auto& self = *static_cast<UringEngine*>(engine);
  self.ring_->give_back(slot);
  --self.lent_buffers_;
  if (self.starved_first_ != nullptr) self.submit_soon();
}

}  // namespace steeple::runtime
