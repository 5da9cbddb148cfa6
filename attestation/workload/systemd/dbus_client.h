// A connection to a message bus, kept for the next call and opened again when it has been lost. Calls share it; each
// has its own deadline. Owned by the attestor; close() is awaited before it dies. I/O thread only.
#pragma once

#include <boost/asio/local/stream_protocol.hpp>
#include <map>

#include "attestation/workload/systemd/dbus_message.h"
#include "runtime/core/deadline.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"

namespace steeple::attestation {

inline constexpr std::chrono::seconds kDbusOpenTimeout{5};
inline constexpr std::size_t kDbusCallsUnderWayMax = 4096;
inline constexpr std::size_t kDbusLineBytesMax = 4096;  // of the handshake

class DbusClient {
 public:
  // `address`: as in DBUS_SYSTEM_BUS_ADDRESS.
  DbusClient(runtime::Loop& loop, std::string address);

  // Ends at once when the connection is there. Errors say why it cannot be made.
  runtime::Task<runtime::Result<void>> open(runtime::Deadline deadline, runtime::StopToken stop);

  // The reply, with Type::kReply or Type::kError. Fills in the serial. kClosed: the connection was lost; kLimit: too
  // many calls wait.
  runtime::Task<runtime::Result<DbusMessage>> call(DbusMessage message, runtime::Deadline deadline,
                                                   runtime::StopToken stop);
  runtime::Task<void> close();
  std::uint64_t connections() const { return attempts_; }

 private:
  using Socket = boost::asio::local::stream_protocol::socket;
  struct Pending;
  runtime::Task<void> live();
  runtime::Task<runtime::Result<void>> connect(runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> authenticate(runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> say_hello(runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> read_more(runtime::StopToken stop);
  runtime::Task<runtime::Result<std::string>> read_line(runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> write(std::string bytes, runtime::StopToken stop);
  runtime::Task<void> flush();
  runtime::Result<void> deliver();
  void lose(runtime::Error error);

  runtime::Loop& loop_;
  std::string address_;
  std::optional<Socket> socket_;
  DbusReader reader_;
  std::string line_bytes_;  // of the handshake, until it ends
  std::map<std::uint32_t, Pending*> pending_;
  std::string outgoing_;
  bool living_ = false, open_ = false, flushing_ = false;
  std::uint32_t serial_ = 0;
  std::uint64_t attempts_ = 0;
  runtime::Error last_error_{runtime::ErrorCode::kClosed, ""};
  runtime::Signal changed_;
  runtime::TaskGroup tasks_;
};

}  // namespace steeple::attestation
