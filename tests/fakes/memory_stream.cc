#include "tests/fakes/memory_stream.h"

#include <algorithm>
#include <deque>

#include "runtime/task/signal.h"

namespace steeple::runtime::fakes {
namespace {

struct Pipe {
  explicit Pipe(Loop& loop) : changed_for_reader(loop), changed_for_writer(loop) {}
  std::deque<std::uint8_t> bytes;
  Signal changed_for_reader;
  Signal changed_for_writer;
  bool closed = false;
};

class MemoryStream final : public Transport {
 public:
  MemoryStream(std::shared_ptr<Pipe> in, std::shared_ptr<Pipe> out, std::size_t capacity, std::size_t chunk)
      : in_(std::move(in)), out_(std::move(out)), capacity_(capacity), chunk_(chunk) {}

  Task<Result<ReceivedBytes>> receive() override {
    while (in_->bytes.empty() && !in_->closed && !stop_.stop_requested()) {
      (void)co_await in_->changed_for_reader.wait(Deadline::never(), stop_.token());
    }
    if (stop_.stop_requested()) co_return stop_.token().error();
    std::size_t size = std::min(in_->bytes.size(), chunk_);
    buffer_.assign(in_->bytes.begin(), in_->bytes.begin() + static_cast<std::ptrdiff_t>(size));
    in_->bytes.erase(in_->bytes.begin(), in_->bytes.begin() + static_cast<std::ptrdiff_t>(size));
    in_->changed_for_writer.notify();
    co_return ReceivedBytes(buffer_, nullptr, nullptr, 0);
  }

  Task<Result<void>> send(BytesView bytes) override {
    while (!bytes.empty()) {
      Result<std::size_t> sent = try_send(bytes);
      if (!sent) co_return std::move(sent.error());
      bytes = bytes.subspan(*sent);
      if (bytes.empty()) break;
      (void)co_await out_->changed_for_writer.wait(Deadline::never(), stop_.token());
    }
    co_return Result<void>();
  }

  Result<std::size_t> try_send(BytesView bytes) override {
    if (stop_.stop_requested()) return stop_.token().error();
    if (out_->closed) return Error(ErrorCode::kClosed, "broken pipe");
    std::size_t size = std::min(bytes.size(), capacity_ - std::min(capacity_, out_->bytes.size()));
    out_->bytes.insert(out_->bytes.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size));
    if (size != 0) out_->changed_for_reader.notify();
    return size;
  }

  void cancel(StopReason reason) override { stop_.request_stop(reason); }

  Task<void> close() override {
    for (Pipe* pipe : {in_.get(), out_.get()}) {
      pipe->closed = true;
      pipe->changed_for_reader.notify();
      pipe->changed_for_writer.notify();
    }
    co_return;
  }

  const std::vector<Bytes>& peer_certificates() const override { return certificates_; }

 private:
  std::shared_ptr<Pipe> in_;
  std::shared_ptr<Pipe> out_;
  std::size_t capacity_;
  std::size_t chunk_;
  StopSource stop_;
  Bytes buffer_;
  std::vector<Bytes> certificates_;
};

}  // namespace

std::pair<std::unique_ptr<Transport>, std::unique_ptr<Transport>> make_memory_streams(Loop& loop, std::size_t capacity,
                                                                                      std::size_t chunk) {
  auto there = std::make_shared<Pipe>(loop);
  auto back = std::make_shared<Pipe>(loop);
  return {std::make_unique<MemoryStream>(there, back, capacity, chunk),
          std::make_unique<MemoryStream>(back, there, capacity, chunk)};
}

}  // namespace steeple::runtime::fakes
