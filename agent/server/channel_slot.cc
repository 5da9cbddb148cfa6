#include "agent/server/channel_slot.h"

namespace steeple::agent {

ChannelSlot::Lease::Lease(ChannelSlot& slot, std::shared_ptr<Held> held) : slot_(slot), held_(std::move(held)) {
  ++held_->users;
}

ChannelSlot::Lease::~Lease() {
  if (!held_) return;
  if (--held_->users == 0 && held_->dropped) slot_.retire(std::move(held_));
}

RpcChannel& ChannelSlot::Lease::channel() { return *held_->channel; }

void ChannelSlot::Lease::drop() {
  held_->dropped = true;
  if (slot_.current_ == held_) slot_.current_.reset();
}

void ChannelSlot::Lease::remember_no_sync() { held_->no_sync_at = held_->channel->connections_made(); }

bool ChannelSlot::Lease::known_no_sync() const { return held_->no_sync_at == held_->channel->connections_made(); }

ChannelSlot::Lease ChannelSlot::acquire() {
  if (!current_) {
    current_ = std::make_shared<Held>();
    current_->channel = factory_();
  }
  return Lease(*this, current_);
}

void ChannelSlot::drop() {
  std::shared_ptr<Held> held = std::exchange(current_, nullptr);
  if (!held) return;
  held->dropped = true;
  if (held->users == 0) retire(std::move(held));
}

runtime::Task<void> ChannelSlot::close_one(std::shared_ptr<Held> held) {
  co_await held->channel->close(runtime::StopReason::kReplaced);
}

void ChannelSlot::retire(std::shared_ptr<Held> held) { STEEPLE_ASSERT(closing_.spawn(close_one(std::move(held)))); }

runtime::Task<void> ChannelSlot::close(runtime::StopReason reason) {
  drop();
  closing_.close(reason);
  co_await closing_.join();
}

}  // namespace steeple::agent
