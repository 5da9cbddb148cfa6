#include "runtime/engine/unix_transport.h"

#include <algorithm>
#include <array>
#include <boost/asio/local/stream_protocol.hpp>
#include <boost/asio/write.hpp>

#include "runtime/engine/socket_error.h"
#include "runtime/os/unix_socket.h"
#include "runtime/task/async_op.h"
#include "runtime/task/timeout.h"

namespace steeple::runtime {

namespace {

namespace asio = boost::asio;

constexpr std::size_t kReadBytes = 16u << 10;
constexpr std::chrono::milliseconds kConnectPauseFirst{1};
constexpr std::chrono::milliseconds kConnectPauseMax{50};

class UnixTransport final : public Transport {
 public:
  UnixTransport(Loop& loop, FileDescriptor socket) : socket_(loop.io()) {
    boost::system::error_code error;
    socket_.assign(asio::local::stream_protocol(), socket.get(), error);
    if (!error) (void)socket.release();
    assign_error_ = error.value();
  }

  Task<Result<ReceivedBytes>> receive() override {
    if (stop_.stop_requested()) co_return stop_.token().error();
    if (assign_error_ != 0) co_return socket_error("receive", assign_error_);
    auto [error, size] = co_await async_op<boost::system::error_code, std::size_t>(
        [this](auto handler) { socket_.async_read_some(asio::buffer(buffer_), std::move(handler)); }, stop_.token());
    if (stop_.stop_requested()) co_return stop_.token().error();
    if (error == asio::error::eof) co_return ReceivedBytes();
    if (error) co_return socket_error("receive", error.value());
    co_return ReceivedBytes(BytesView(buffer_.data(), size), nullptr, nullptr, 0);
  }

  Task<Result<void>> send(BytesView bytes) override {
    if (stop_.stop_requested()) co_return stop_.token().error();
    if (assign_error_ != 0) co_return socket_error("send", assign_error_);
    auto [error, size] = co_await async_op<boost::system::error_code, std::size_t>(
        [this, bytes](auto handler) {
          asio::async_write(socket_, asio::buffer(bytes.data(), bytes.size()), std::move(handler));
        },
        stop_.token());
    if (stop_.stop_requested()) co_return stop_.token().error();
    if (error) co_return socket_error("send", error.value());
    co_return Result<void>();
  }

  Result<std::size_t> try_send(BytesView bytes) override {
    if (stop_.stop_requested()) return stop_.token().error();
    return send_now(socket_.native_handle(), bytes);
  }

  void cancel(StopReason reason) override { stop_.request_stop(reason); }

  Task<void> close() override {
    boost::system::error_code ignored;
    socket_.close(ignored);
    co_return;
  }

  const std::vector<Bytes>& peer_certificates() const override { return no_certificates_; }

 private:
  asio::local::stream_protocol::socket socket_;
  int assign_error_ = 0;
  StopSource stop_;
  std::array<std::uint8_t, kReadBytes> buffer_;
  const std::vector<Bytes> no_certificates_;
};

}  // namespace

std::unique_ptr<Transport> make_unix_transport(Loop& loop, FileDescriptor socket) {
  return std::make_unique<UnixTransport>(loop, std::move(socket));
}

Task<Result<std::unique_ptr<Transport>>> UnixConnector::connect(Deadline deadline, StopToken stop) {
  std::chrono::nanoseconds pause = kConnectPauseFirst;
  for (;;) {
    if (stop.stop_requested()) co_return stop.error();
    Result<FileDescriptor> socket = connect_unix(path_);
    if (socket) co_return make_unix_transport(loop_, std::move(*socket));
    const bool backlog_full = socket.error().code() == ErrorCode::kLimit;
    if (!backlog_full || deadline.passed(loop_.now())) co_return std::move(socket.error());
    STEEPLE_CO_CHECK(co_await sleep_until(loop_, deadline.sooner(Deadline::after(loop_.now(), pause)), stop));
    pause = std::min<std::chrono::nanoseconds>(pause * 2, kConnectPauseMax);
  }
}

}  // namespace steeple::runtime
