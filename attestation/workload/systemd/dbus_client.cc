#include "attestation/workload/systemd/dbus_client.h"

#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <boost/asio/write.hpp>

#include "runtime/os/file.h"
#include "runtime/task/async_op.h"
#include "runtime/task/timeout.h"

namespace steeple::attestation {

using boost::asio::local::stream_protocol;
using boost::system::error_code;
using runtime::async_op;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr std::size_t kReadBytes = 4096;

Error io_error(std::string_view doing, const error_code& error, StopToken stop) {
  if (stop.stop_requested()) return stop.error().with_context(doing);
  return Error(ErrorCode::kClosed, fmt::format("{}: {}", doing, error.message()));
}

std::string hex(std::string_view text) {
  std::string out;
  for (unsigned char c : text) out += fmt::format("{:02x}", c);
  return out;
}

}  // namespace

struct DbusClient::Pending {
  explicit Pending(DbusClient& client, std::uint32_t number) : owner(client), serial(number), answered(client.loop_) {
    owner.pending_.emplace(serial, this);
  }
  ~Pending() { owner.pending_.erase(serial); }
  Pending(const Pending&) = delete;
  Pending& operator=(const Pending&) = delete;
  DbusClient& owner;
  std::uint32_t serial;
  std::optional<Result<DbusMessage>> answer;
  runtime::Signal answered;
};

DbusClient::DbusClient(runtime::Loop& loop, std::string address)
    : loop_(loop), address_(std::move(address)), changed_(loop), tasks_(loop) {}

Task<Result<void>> DbusClient::open(Deadline deadline, StopToken stop) {
  if (open_) co_return Result<void>();
  if (!living_) {
    living_ = true;
    ++attempts_;
    if (!tasks_.spawn(live())) co_return Error(ErrorCode::kClosed, "the bus is no longer used");
  }
  const std::uint64_t attempt = attempts_;
  while (living_ && !open_ && attempt == attempts_) STEEPLE_CO_CHECK(co_await changed_.wait(deadline, stop));
  if (open_) co_return Result<void>();
  co_return last_error_;
}

// One connection, from its first byte to its loss.
Task<void> DbusClient::live() {
  runtime::Timeout opening(loop_, Deadline::after(loop_.now(), kDbusOpenTimeout), tasks_.token());
  Result<void> state = co_await connect(opening.token());
  if (state) state = co_await authenticate(opening.token());
  if (state) state = co_await say_hello(opening.token());
  if (state) {
    open_ = true;
    changed_.notify();
  }
  while (state) {
    state = co_await read_more(tasks_.token());
    if (state) state = deliver();
  }
  lose(std::move(state.error()));
}

Task<Result<void>> DbusClient::connect(StopToken stop) {
  reader_ = DbusReader();
  line_bytes_.clear();
  outgoing_.clear();
  STEEPLE_CO_TRY(path, dbus_socket_path(address_));
  stream_protocol::endpoint endpoint;
  if (path.size() >= sizeof(sockaddr_un::sun_path))
    co_return Error(ErrorCode::kInvalidArgument, "the path is too long");
  endpoint.path(path);
  socket_.emplace(loop_.io());
  auto [error] =
      co_await async_op<error_code>([&](auto handler) { socket_->async_connect(endpoint, std::move(handler)); }, stop);
  if (!error) co_return Result<void>();
  if (stop.stop_requested()) co_return stop.error().with_context("dial unix");
  if (path[0] == '\0') path[0] = '@';
  co_return Error(ErrorCode::kUnavailable,
                  fmt::format("dial unix {}: connect: {}", path, runtime::go_errno_text(error.value())));
}

// The bus learns who we are from the socket (the EXTERNAL mechanism).
Task<Result<void>> DbusClient::authenticate(StopToken stop) {
  const std::string user = hex(std::to_string(::geteuid()));
  STEEPLE_CO_CHECK(co_await write(std::string(1, '\0') + "AUTH EXTERNAL " + user + "\r\n", stop));
  Result<std::string> answer = co_await read_line(stop);
  if (!answer) co_return std::move(answer.error());
  if (!answer->starts_with("OK ")) co_return Error(ErrorCode::kUnauthenticated, "dbus: authentication failed");
  co_return co_await write("BEGIN\r\n", stop);
}

Task<Result<void>> DbusClient::say_hello(StopToken stop) {
  DbusMessage hello;
  hello.serial = ++serial_;
  hello.destination = hello.interface = "org.freedesktop.DBus";
  hello.path = "/org/freedesktop/DBus";
  hello.member = "Hello";
  Pending pending(*this, hello.serial);
  STEEPLE_CO_CHECK(co_await write(encode_dbus(hello), stop));
  STEEPLE_CO_CHECK(deliver());  // what came with the handshake
  while (!pending.answer) {
    STEEPLE_CO_CHECK(co_await read_more(stop));
    STEEPLE_CO_CHECK(deliver());
  }
  const Result<DbusMessage>& answer = *pending.answer;
  if (!answer) co_return answer.error();
  if (answer->type == DbusMessage::Type::kReply) co_return Result<void>();
  co_return Error(ErrorCode::kDenied, answer->text().value_or(answer->error_name));
}

Task<Result<void>> DbusClient::read_more(StopToken stop) {
  std::array<char, kReadBytes> bytes;
  auto [error, size] = co_await async_op<error_code, std::size_t>(
      [&](auto handler) { socket_->async_read_some(boost::asio::buffer(bytes), std::move(handler)); }, stop);
  if (error) co_return io_error("dbus: connection closed", error, stop);
  reader_.feed(std::string_view(bytes.data(), size));
  co_return Result<void>();
}

Task<Result<std::string>> DbusClient::read_line(StopToken stop) {
  std::array<char, kReadBytes> bytes;
  for (;;) {
    if (const std::size_t end = line_bytes_.find("\r\n"); end != std::string::npos) {
      std::string line = line_bytes_.substr(0, end);
      reader_.feed(std::string_view(line_bytes_).substr(end + 2));
      line_bytes_.clear();
      co_return line;
    }
    if (line_bytes_.size() > kDbusLineBytesMax)
      co_return Error(ErrorCode::kLimit, "dbus: the handshake's line is too long");
    auto [error, size] = co_await async_op<error_code, std::size_t>(
        [&](auto handler) { socket_->async_read_some(boost::asio::buffer(bytes), std::move(handler)); }, stop);
    if (error) co_return io_error("dbus: handshake", error, stop);
    line_bytes_.append(bytes.data(), size);
  }
}

Task<Result<void>> DbusClient::write(std::string bytes, StopToken stop) {
  auto [error, size] = co_await async_op<error_code, std::size_t>(
      [&](auto handler) { boost::asio::async_write(*socket_, boost::asio::buffer(bytes), std::move(handler)); }, stop);
  if (error) co_return io_error("dbus: write", error, stop);
  co_return Result<void>();
}

Result<void> DbusClient::deliver() {
  for (;;) {
    STEEPLE_TRY(message, reader_.next());
    if (!message) return {};
    if (message->type != DbusMessage::Type::kReply && message->type != DbusMessage::Type::kError) continue;
    const auto at = pending_.find(message->reply_serial);
    if (at == pending_.end() || at->second->answer) continue;
    at->second->answer.emplace(std::move(*message));
    at->second->answered.notify();
  }
}

Task<Result<DbusMessage>> DbusClient::call(DbusMessage message, Deadline deadline, StopToken stop) {
  STEEPLE_CO_CHECK(co_await open(deadline, stop));
  if (pending_.size() >= kDbusCallsUnderWayMax) co_return Error(ErrorCode::kLimit, "too many calls wait for the bus");
  if (++serial_ == 0) ++serial_;
  message.serial = serial_;
  Pending pending(*this, message.serial);
  outgoing_ += encode_dbus(message);
  if (!flushing_) {
    flushing_ = true;
    if (!tasks_.spawn(flush())) co_return Error(ErrorCode::kClosed, "the bus is no longer used");
  }
  while (!pending.answer) {
    Result<void> waited = co_await pending.answered.wait(deadline, stop);
    if (!waited && !pending.answer) co_return std::move(waited.error());
  }
  co_return std::move(*pending.answer);
}

// Writes what has been gathered. A failure shows in the read, too, which ends the connection.
Task<void> DbusClient::flush() {
  while (open_ && !outgoing_.empty()) {
    Result<void> written = co_await write(std::exchange(outgoing_, {}), tasks_.token());
    if (!written) break;
  }
  flushing_ = false;
}

void DbusClient::lose(Error error) {
  open_ = living_ = false;
  last_error_ = std::move(error);
  if (socket_) {
    error_code ignored;
    socket_->close(ignored);
  }
  for (const auto& [serial, pending] : pending_) {
    if (pending->answer) continue;
    pending->answer.emplace(last_error_);
    pending->answered.notify();
  }
  changed_.notify();
}

Task<void> DbusClient::close() {
  tasks_.close(runtime::StopReason::kShutdown);
  co_await tasks_.join();
}

}  // namespace steeple::attestation
