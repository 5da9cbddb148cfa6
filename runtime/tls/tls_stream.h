// One TLS connection over a connected TCP socket: handshake, then a Transport. OpenSSL reads and writes the socket
// directly through a small BIO of ours (no SIGPIPE, no copy); waits are Asio's. For the sources of runtime/tls only.
// I/O thread only.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <optional>
#include <string>

#include "runtime/engine/byte_stream.h"
#include "runtime/loop/loop.h"
#include "runtime/tls/openssl_handles.h"

namespace steeple::runtime {

// What the callbacks of a context leave for the connection that they were called for.
struct TlsHandshake {
  std::optional<Error> verify_error;
  std::vector<Bytes> peer_certificates;
};

class TlsStream final : public Transport {
 public:
  TlsStream(Loop& loop, boost::asio::ip::tcp::socket socket, OpensslPtr<ssl_st> ssl);
  ~TlsStream() override;

  // "alpn" must come out as the negotiated protocol, unless it is empty.
  Task<Result<void>> handshake(std::string alpn, StopToken stop);
  const TlsHandshake& handshake_results() const { return handshake_; }
  void abort();  // closes the socket at once

  Task<Result<ReceivedBytes>> receive() override;
  Task<Result<void>> send(BytesView bytes) override;
  Result<std::size_t> try_send(BytesView bytes) override;
  void cancel(StopReason reason) override { stop_.request_stop(reason); }
  Task<void> close() override;
  const std::vector<Bytes>& peer_certificates() const override { return handshake_.peer_certificates; }

 private:
  struct Connection;
  Task<Result<void>> wait_for(int wanted, StopToken stop);
  Task<Result<void>> flush_held(StopToken stop);
  static void flush_later(std::shared_ptr<Connection> connection);
  static void release_received(void* owner, std::uint32_t slot);

  Loop& loop_;
  std::shared_ptr<Connection> connection_;  // shared with a pending flush
  TlsHandshake handshake_;
  StopSource stop_;
  Bytes received_;
};

}  // namespace steeple::runtime
