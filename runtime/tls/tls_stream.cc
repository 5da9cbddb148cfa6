#include "runtime/tls/tls_stream.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "runtime/os/file.h"
#include "runtime/task/async_op.h"
#include "runtime/task/timeout.h"
#include "runtime/tls/socket_bio.h"
#include "runtime/tls/tls_error.h"
#include "runtime/tls/tls_transport.h"

namespace steeple::runtime {
namespace {

using boost::asio::ip::tcp;

constexpr std::size_t kRecordSize = 16 * 1024;
constexpr std::size_t kKeptReadBuffer = 4 * 1024;

}  // namespace

struct TlsStream::Connection {
  Connection(tcp::socket connected, OpensslPtr<SSL> tls) : socket(std::move(connected)), ssl(std::move(tls)) {}
  tcp::socket socket;
  OpensslPtr<SSL> ssl;
  // A record that try_send() took but the socket would not: OpenSSL insists on being given the same bytes again.
  Bytes held;
  bool flush_waits = false;
};

TlsStream::TlsStream(Loop& loop, tcp::socket socket, OpensslPtr<SSL> ssl)
    : loop_(loop), connection_(std::make_shared<Connection>(std::move(socket), std::move(ssl))) {
  boost::system::error_code ignored;
  connection_->socket.non_blocking(true, ignored);
  OpensslPtr<BIO> bio = make_socket_bio(connection_->socket.native_handle());
  BIO* raw = bio.release();
  SSL_set_bio(connection_->ssl.get(), raw, raw);
  SSL_set_app_data(connection_->ssl.get(), &handshake_);
}

TlsStream::~TlsStream() {
  // A flush that is still waiting shares the connection, not this object.
  SSL_set_app_data(connection_->ssl.get(), nullptr);
  abort();
}

void TlsStream::abort() {
  boost::system::error_code ignored;
  connection_->socket.close(ignored);
}

// Waits for what OpenSSL asked for (SSL_ERROR_WANT_READ or SSL_ERROR_WANT_WRITE).
Task<Result<void>> TlsStream::wait_for(int wanted, StopToken stop) {
  if (stop.stop_requested()) co_return stop.error();
  tcp::socket& socket = connection_->socket;
  auto kind = wanted == SSL_ERROR_WANT_WRITE ? tcp::socket::wait_write : tcp::socket::wait_read;
  auto [error] = co_await async_op<boost::system::error_code>(
      [&](auto handler) { socket.async_wait(kind, std::move(handler)); }, stop);
  if (stop.stop_requested()) co_return stop.error();
  if (error) co_return Error(ErrorCode::kClosed, "wait: " + go_errno_text(error.value()));
  co_return Result<void>();
}

Task<Result<void>> TlsStream::handshake(std::string alpn, StopToken stop) {
  SSL* ssl = connection_->ssl.get();
  for (;;) {
    ERR_clear_error();
    errno = 0;
    int done = SSL_do_handshake(ssl);
    if (done == 1) break;
    int wanted = SSL_get_error(ssl, done);
    if (handshake_.verify_error) co_return *handshake_.verify_error;
    if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) co_return tls_error(wanted, errno);
    STEEPLE_CO_CHECK(co_await wait_for(wanted, stop));
  }
  if (alpn.empty()) co_return Result<void>();
  const unsigned char* selected = nullptr;
  unsigned size = 0;
  SSL_get0_alpn_selected(ssl, &selected, &size);
  if (std::string_view(reinterpret_cast<const char*>(selected), size) != alpn) {
    co_return Error(ErrorCode::kTls, "credentials: cannot check peer: missing selected ALPN property");
  }
  co_return Result<void>();
}

void TlsStream::release_received(void* owner, std::uint32_t) {
  Bytes& buffer = static_cast<TlsStream*>(owner)->received_;
  if (buffer.capacity() > kKeptReadBuffer) Bytes().swap(buffer);
}

Task<Result<ReceivedBytes>> TlsStream::receive() {
  SSL* ssl = connection_->ssl.get();
  // One for all connections of the thread: filled and copied without a wait in between.
  static thread_local Bytes scratch(kRecordSize);
  for (;;) {
    if (stop_.stop_requested()) co_return stop_.token().error();
    ERR_clear_error();
    errno = 0;
    std::size_t size = 0;
    int done = SSL_read_ex(ssl, scratch.data(), scratch.size(), &size);
    if (done == 1) {
      received_.assign(scratch.begin(), scratch.begin() + static_cast<std::ptrdiff_t>(size));
      wipe_memory(scratch.data(), size);
      co_return ReceivedBytes(received_, &release_received, this, 0);
    }
    int wanted = SSL_get_error(ssl, done);
    if (wanted == SSL_ERROR_ZERO_RETURN) co_return ReceivedBytes();
    if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) co_return tls_error(wanted, errno);
    STEEPLE_CO_CHECK(co_await wait_for(wanted, stop_.token()));
  }
}

Task<Result<void>> TlsStream::flush_held(StopToken stop) {
  SSL* ssl = connection_->ssl.get();
  while (!connection_->held.empty()) {
    ERR_clear_error();
    errno = 0;
    std::size_t size = 0;
    int done = SSL_write_ex(ssl, connection_->held.data(), connection_->held.size(), &size);
    if (done == 1) {
      connection_->held.erase(connection_->held.begin(), connection_->held.begin() + static_cast<std::ptrdiff_t>(size));
      continue;
    }
    int wanted = SSL_get_error(ssl, done);
    if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) co_return tls_error(wanted, errno);
    STEEPLE_CO_CHECK(co_await wait_for(wanted, stop));
  }
  co_return Result<void>();
}

Task<Result<void>> TlsStream::send(BytesView bytes) {
  SSL* ssl = connection_->ssl.get();
  STEEPLE_CO_CHECK(co_await flush_held(stop_.token()));
  while (!bytes.empty()) {
    if (stop_.stop_requested()) co_return stop_.token().error();
    ERR_clear_error();
    errno = 0;
    std::size_t size = 0;
    int done = SSL_write_ex(ssl, bytes.data(), std::min(bytes.size(), kRecordSize), &size);
    if (done == 1) {
      bytes = bytes.subspan(size);
      continue;
    }
    int wanted = SSL_get_error(ssl, done);
    if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) co_return tls_error(wanted, errno);
    STEEPLE_CO_CHECK(co_await wait_for(wanted, stop_.token()));
  }
  co_return Result<void>();
}

Result<std::size_t> TlsStream::try_send(BytesView bytes) {
  if (stop_.stop_requested()) return stop_.token().error();
  std::size_t taken = 0;
  while (taken < bytes.size() && connection_->held.empty()) {
    BytesView record = bytes.subspan(taken, std::min(bytes.size() - taken, kRecordSize));
    ERR_clear_error();
    errno = 0;
    std::size_t size = 0;
    int done = SSL_write_ex(connection_->ssl.get(), record.data(), record.size(), &size);
    if (done == 1) {
      taken += size;
      continue;
    }
    int wanted = SSL_get_error(connection_->ssl.get(), done);
    if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) return tls_error(wanted, errno);
    connection_->held = to_bytes(record);
    taken += record.size();
    flush_later(connection_);
  }
  return taken;
}

void TlsStream::flush_later(std::shared_ptr<Connection> connection) {
  if (std::exchange(connection->flush_waits, true)) return;
  tcp::socket& socket = connection->socket;
  socket.async_wait(tcp::socket::wait_write, [connection](const boost::system::error_code& error) {
    connection->flush_waits = false;
    if (error || connection->held.empty()) return;
    ERR_clear_error();
    std::size_t size = 0;
    int done = SSL_write_ex(connection->ssl.get(), connection->held.data(), connection->held.size(), &size);
    if (done == 1) connection->held.clear();
    // A failure shows itself in the next receive() or send().
    if (done != 1 && SSL_get_error(connection->ssl.get(), done) == SSL_ERROR_WANT_WRITE) flush_later(connection);
  });
}

Task<void> TlsStream::close() {
  Timeout timeout(loop_, Deadline::after(loop_.now(), kTlsCloseTimeout), {});
  Result<void> flushed = co_await flush_held(timeout.token());
  if (flushed) {
    ERR_clear_error();
    SSL_shutdown(connection_->ssl.get());  // says close_notify; the peer's is not waited for
  }
  ERR_clear_error();
  boost::system::error_code ignored;
  connection_->socket.shutdown(tcp::socket::shutdown_both, ignored);
  connection_->socket.close(ignored);
}

}  // namespace steeple::runtime
