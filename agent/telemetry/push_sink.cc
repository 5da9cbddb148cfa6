#include "agent/telemetry/push_sink.h"

#include <sys/socket.h>
#include <sys/un.h>

#include <charconv>
#include <cstring>

#include "agent/telemetry/metric_text.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "runtime/tls/resolver.h"

namespace steeple::agent {

using boost::asio::generic::datagram_protocol;
using runtime::Deadline;
using runtime::Task;
using SystemCode = boost::system::error_code;

namespace {

constexpr std::chrono::seconds kConnectRetry{5};

}  // namespace

PushSink::PushSink(runtime::Loop& loop, std::string address, PushFormat format, runtime::Logger log)
    : loop_(loop),
      address_(std::move(address)),
      format_(format),
      log_(std::move(log)),
      socket_(loop.io()),
      next_look_(loop.now()) {}

Task<void> PushSink::keep_connected(runtime::StopToken stop) {
  if (socket_.is_open()) co_return;
  if (is_unix()) {
    connect_unix();
  } else if (loop_.now() >= next_look_) {
    next_look_ = loop_.now() + kConnectRetry;
    co_await connect_udp(stop);
  }
}

void PushSink::connect_unix() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const std::string path = address_.substr(kUnixAddressPrefix.size());
  if (path.empty() || path.size() >= sizeof address.sun_path) return warn("connect: invalid argument");
  std::memcpy(address.sun_path, path.data(), path.size());
  connect(AF_UNIX, &address, sizeof address);
}

Task<void> PushSink::connect_udp(runtime::StopToken stop) {
  const std::size_t colon = address_.rfind(':');
  std::uint16_t port = 0;
  if (colon != std::string::npos) {
    std::from_chars(address_.data() + colon + 1, address_.data() + address_.size(), port);
  } else if (format_ == PushFormat::kDogStatsd) {
    port = kDogStatsdPort;
  }
  const Deadline deadline = Deadline::after(loop_.now(), runtime::kLookupTimeout);
  auto found = co_await runtime::resolve_host(loop_, address_.substr(0, colon), port, deadline, stop);
  if (!found || port == 0) {
    if (!stop.stop_requested()) warn(found ? "invalid port" : found.error().message());
    co_return;
  }
  const auto& endpoint = found->front();
  connect(endpoint.data()->sa_family, endpoint.data(), endpoint.size());
}

void PushSink::connect(int family, const void* address, std::size_t size) {
  SystemCode failed;
  socket_.open(datagram_protocol(family, 0), failed);
  if (!failed) socket_.connect(datagram_protocol::endpoint(address, size), failed);
  if (!failed) socket_.non_blocking(true, failed);
  if (!failed) {
    warned_ = false;
    return;
  }
  SystemCode ignored;
  socket_.close(ignored);
  warn("connect: " + runtime::go_errno_text(failed.value()));
}

// Once until it has been found.
void PushSink::warn(const std::string& why) {
  if (std::exchange(warned_, true)) return;
  log_.error("Error connecting to statsd", {{"address", address_}, {"error", why}});
}

void PushSink::add(const runtime::MetricEvent& event) {
  const std::string line = format_ == PushFormat::kStatsd ? statsd_line(event) : dogstatsd_line(event);
  if (held_.size() + line.size() > (is_unix() ? kUnixDatagramMax : kDatagramMax)) send();
  held_ += line;
}

void PushSink::send() {
  SystemCode failed;
  if (socket_.is_open() && !held_.empty()) socket_.send(boost::asio::buffer(held_), 0, failed);
  held_.clear();
  // A collector that was started again has another socket under the same path.
  const bool full = failed == boost::asio::error::would_block || failed == boost::asio::error::no_buffer_space;
  if (!failed || full || !is_unix()) return;
  SystemCode ignored;
  socket_.close(ignored);
}

}  // namespace steeple::agent
