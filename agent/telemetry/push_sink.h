// One collector of StatsD or DogStatsD lines (config-cli 3.1, 6.1): lines are gathered into datagrams and sent over UDP
// or, as DogStatsD, to a Unix datagram socket. Best effort, as every such client's: what the kernel does not take is
// lost. Owned by Telemetry. I/O thread only.
#pragma once

#include <boost/asio/generic/datagram_protocol.hpp>
#include <string>

#include "runtime/core/log.h"
#include "runtime/core/metrics.h"
#include "runtime/loop/loop.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::agent {

inline constexpr std::size_t kDatagramMax = 1400;
inline constexpr std::size_t kUnixDatagramMax = 8192;
inline constexpr std::string_view kUnixAddressPrefix = "unix://";
inline constexpr std::uint16_t kDogStatsdPort = 8125;  // of an address without one

enum class PushFormat { kStatsd, kDogStatsd };

class PushSink {
 public:
  // `address`: "host:port"; of DogStatsD also "host", and "unix://PATH".
  PushSink(runtime::Loop& loop, std::string address, PushFormat format, runtime::Logger log);

  // Looks for the collector if there is none: a name every 5 s at most, a path at each call.
  runtime::Task<void> keep_connected(runtime::StopToken stop);
  // Sends what is held when the line does not fit any more.
  void add(const runtime::MetricEvent& event);
  void send();

 private:
  bool is_unix() const { return format_ == PushFormat::kDogStatsd && address_.starts_with(kUnixAddressPrefix); }
  void connect_unix();
  runtime::Task<void> connect_udp(runtime::StopToken stop);
  void connect(int family, const void* address, std::size_t size);
  void warn(const std::string& why);

  runtime::Loop& loop_;
  std::string address_;
  PushFormat format_;
  runtime::Logger log_;
  boost::asio::generic::datagram_protocol::socket socket_;
  std::string held_;  // lines of the next datagram
  runtime::SteadyTime next_look_;
  bool warned_ = false;
};

}  // namespace steeple::agent
