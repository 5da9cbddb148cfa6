#include "runtime/engine/epoll_engine.h"

#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <boost/asio/posix/stream_descriptor.hpp>
#include <boost/asio/post.hpp>
#include <cerrno>

#include "runtime/core/assert.h"

namespace steeple::runtime {

namespace {

constexpr int kEventsPerBatch = 256;
constexpr int kBatchesPerTurn = 8;  // a turn leaves the other parts of the loop their share
constexpr std::size_t kSpareBuffersMax = 4;
constexpr std::uint32_t kReadEvents = EPOLLIN | EPOLLRDHUP | EPOLLET;

}  // namespace

// Handlers that the loop holds refer to this, never to the engine itself.
struct EpollEngine::Attachment {
  Attachment(Loop& loop, int epoll_fd, EpollEngine* owner) : engine(owner), set(loop.io(), epoll_fd) {}
  EpollEngine* engine;
  boost::asio::posix::stream_descriptor set;
};

Result<std::unique_ptr<EpollEngine>> EpollEngine::create(Loop& loop) {
  FileDescriptor epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return system_error("epoll_create1", errno);
  return std::unique_ptr<EpollEngine>(new EpollEngine(loop, std::move(epoll)));
}

EpollEngine::EpollEngine(Loop& loop, FileDescriptor epoll)
    : loop_(loop), epoll_fd_(epoll.release()), attachment_(std::make_shared<Attachment>(loop, epoll_fd_, this)) {
  wait_for_events();
}

EpollEngine::~EpollEngine() {
  STEEPLE_ASSERT(users_ == 0);
  attachment_->engine = nullptr;
  boost::system::error_code ignored;
  attachment_->set.close(ignored);
}

std::unique_ptr<EpollConnection> EpollEngine::adopt(FileDescriptor socket) {
  return std::make_unique<EpollConnection>(*this, std::move(socket));
}

int EpollEngine::add(int fd, EpollTarget& target) {
  epoll_event event{};
  event.events = kReadEvents;
  event.data.ptr = &target;
  return ::epoll_ctl(epoll_fd_, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

// What has happened by now is reported, too.
int EpollEngine::watch_room(int fd, EpollTarget& target) {
  epoll_event event{};
  event.events = kReadEvents | EPOLLOUT;
  event.data.ptr = &target;
  return ::epoll_ctl(epoll_fd_, EPOLL_CTL_MOD, fd, &event) == 0 ? 0 : errno;
}

void EpollEngine::remove(int fd) { ::epoll_ctl(epoll_fd_, EPOLL_CTL_DEL, fd, nullptr); }

void EpollEngine::wait_for_events() {
  attachment_->set.async_wait(boost::asio::posix::stream_descriptor::wait_read,
                              [attachment = attachment_](const boost::system::error_code& error) {
                                if (attachment->engine == nullptr) return;
                                STEEPLE_ASSERT(!error);
                                attachment->engine->pump();
                                attachment->engine->wait_for_events();
                              });
}

// First every event is noted, then the waiters run: what one of them ends can be taken off the list by forget().
void EpollEngine::pump() {
  std::array<epoll_event, kEventsPerBatch> events;
  ++turn_;
  for (int batch = 0; batch < kBatchesPerTurn; ++batch) {
    const int count = ::epoll_wait(epoll_fd_, events.data(), kEventsPerBatch, 0);
    for (int i = 0; i < count; ++i) {
      auto* target = static_cast<EpollTarget*>(events[static_cast<std::size_t>(i)].data.ptr);
      if (target->note(events[static_cast<std::size_t>(i)].events)) noted_.push_back(target);
    }
    for (std::size_t i = 0; i < noted_.size(); ++i) {
      if (noted_[i] != nullptr) noted_[i]->act();
    }
    noted_.clear();
    if (count < kEventsPerBatch) break;
  }
}

void EpollEngine::act_soon(EpollTarget& target) {
  delayed_.push_back(&target);
  if (delayed_.size() > 1) return;
  boost::asio::post(loop_.io(), [attachment = attachment_] {
    if (attachment->engine != nullptr) attachment->engine->act_delayed();
  });
}

void EpollEngine::act_delayed() {
  STEEPLE_ASSERT(noted_.empty());
  std::swap(noted_, delayed_);
  for (std::size_t i = 0; i < noted_.size(); ++i) {
    if (noted_[i] != nullptr) noted_[i]->act();
  }
  noted_.clear();
}

void EpollEngine::forget(EpollTarget& target) {
  std::replace(noted_.begin(), noted_.end(), &target, static_cast<EpollTarget*>(nullptr));
  std::replace(delayed_.begin(), delayed_.end(), &target, static_cast<EpollTarget*>(nullptr));
}

// Nearly always the one buffer: it is lent from the receive to the next wait.
std::uint32_t EpollEngine::take_buffer() {
  if (free_buffers_.empty()) {
    free_buffers_.push_back(static_cast<std::uint32_t>(buffers_.size()));
    buffers_.emplace_back();
  }
  const std::uint32_t slot = free_buffers_.back();
  free_buffers_.pop_back();
  if (!buffers_[slot]) buffers_[slot] = std::make_unique_for_overwrite<std::uint8_t[]>(kReadBytes);
  return slot;
}

void EpollEngine::release_buffer(void* engine, std::uint32_t slot) {
  auto& self = *static_cast<EpollEngine*>(engine);
  if (self.free_buffers_.size() >= kSpareBuffersMax) self.buffers_[slot].reset();
  self.free_buffers_.push_back(slot);
}

}  // namespace steeple::runtime
