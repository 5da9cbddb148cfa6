#include "runtime/http1/tcp_transport.h"

#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>

#include "runtime/os/file.h"
#include "runtime/task/async_op.h"

namespace steeple::runtime {
namespace {

using boost::asio::ip::tcp;
using SystemCode = boost::system::error_code;

constexpr std::size_t kReadBytes = 4 * 1024;

Error closed(std::string_view doing, const SystemCode& error) {
  return Error(ErrorCode::kClosed, std::string(doing) + ": " + go_errno_text(error.value()));
}

}  // namespace

TcpTransport::TcpTransport(tcp::socket socket) : socket_(std::move(socket)) {
  SystemCode ignored;
  socket_.non_blocking(true, ignored);
  socket_.set_option(tcp::no_delay(true), ignored);
}

Task<Result<ReceivedBytes>> TcpTransport::receive() {
  if (stop_.stop_requested()) co_return stop_.token().error();
  received_.resize(kReadBytes);
  auto [error, size] = co_await async_op<SystemCode, std::size_t>(
      [this](auto handler) { socket_.async_read_some(boost::asio::buffer(received_), std::move(handler)); },
      stop_.token());
  if (stop_.stop_requested()) co_return stop_.token().error();
  if (error == boost::asio::error::eof) co_return ReceivedBytes();
  if (error) co_return closed("read", error);
  co_return ReceivedBytes(BytesView(received_).first(size), &release_received, this, 0);
}

Task<Result<void>> TcpTransport::send(BytesView bytes) {
  if (stop_.stop_requested()) co_return stop_.token().error();
  auto [error, size] = co_await async_op<SystemCode, std::size_t>(
      [&](auto handler) {
        boost::asio::async_write(socket_, boost::asio::buffer(bytes.data(), bytes.size()), std::move(handler));
      },
      stop_.token());
  if (stop_.stop_requested()) co_return stop_.token().error();
  if (error) co_return closed("write", error);
  co_return Result<void>();
}

Result<std::size_t> TcpTransport::try_send(BytesView bytes) {
  if (stop_.stop_requested()) return stop_.token().error();
  SystemCode error;
  const std::size_t size = socket_.write_some(boost::asio::buffer(bytes.data(), bytes.size()), error);
  if (error == boost::asio::error::would_block) return std::size_t{0};
  if (error) return closed("write", error);
  return size;
}

Task<void> TcpTransport::close() {
  SystemCode ignored;
  socket_.shutdown(tcp::socket::shutdown_both, ignored);
  socket_.close(ignored);
  co_return;
}

}  // namespace steeple::runtime
