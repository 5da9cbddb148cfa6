// A connected TCP socket without TLS as a Transport. I/O thread only.
#pragma once

#include <boost/asio/ip/tcp.hpp>

#include "runtime/engine/byte_stream.h"
#include "runtime/loop/loop.h"

namespace steeple::runtime {

class TcpTransport final : public Transport {
 public:
  explicit TcpTransport(boost::asio::ip::tcp::socket socket);

  Task<Result<ReceivedBytes>> receive() override;
  Task<Result<void>> send(BytesView bytes) override;
  Result<std::size_t> try_send(BytesView bytes) override;
  void cancel(StopReason reason) override { stop_.request_stop(reason); }
  Task<void> close() override;
  const std::vector<Bytes>& peer_certificates() const override { return no_certificates_; }

 private:
  static void release_received(void*, std::uint32_t) {}
  boost::asio::ip::tcp::socket socket_;
  StopSource stop_;
  Bytes received_;
  std::vector<Bytes> no_certificates_;
};

}  // namespace steeple::runtime
