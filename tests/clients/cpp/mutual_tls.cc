#include "mutual_tls.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

namespace {

constexpr timeval kWait{.tv_sec = 30, .tv_usec = 0};
constexpr int kBacklog = 50;

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

sockaddr_in parse(const std::string& text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string::npos) throw std::runtime_error("not an address: " + text);
  sockaddr_in address = loopback(std::stoi(text.substr(colon + 1)));
  if (inet_pton(AF_INET, text.substr(0, colon).c_str(), &address.sin_addr) != 1)
    throw std::runtime_error("not an address: " + text);
  return address;
}

}  // namespace

TlsContext tls_context(const Svid& svid) {
  TlsContext context(required(SSL_CTX_new(TLS_method()), "TLS"));
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  required(SSL_CTX_use_certificate(context.get(), svid.chain[0].get()), "certificate");
  for (std::size_t i = 1; i < svid.chain.size(); ++i)
    required(SSL_CTX_add1_chain_cert(context.get(), svid.chain[i].get()), "chain");
  required(SSL_CTX_use_PrivateKey(context.get(), svid.key.get()), "key");
  add_roots(SSL_CTX_get_cert_store(context.get()), svid.roots);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nullptr);
  return context;
}

TlsConnection::TlsConnection(SSL_CTX* context, int socket) : socket_(socket), ssl_(SSL_new(context)) {
  setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &kWait, sizeof kWait);
  setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &kWait, sizeof kWait);
  SSL_set_fd(ssl_.get(), socket);
}

TlsConnection::TlsConnection(TlsConnection&& other) noexcept
    : socket_(std::exchange(other.socket_, -1)), ssl_(std::move(other.ssl_)) {}

TlsConnection::~TlsConnection() {
  if (socket_ < 0) return;
  if (SSL_is_init_finished(ssl_.get())) SSL_shutdown(ssl_.get());
  close(socket_);
}

TlsConnection TlsConnection::accept(SSL_CTX* context, int socket) {
  TlsConnection made(context, socket);
  required(SSL_accept(made.ssl_.get()) == 1, "handshake");
  return made;
}

TlsConnection TlsConnection::dial(SSL_CTX* context, const std::string& address) {
  const sockaddr_in target = parse(address);
  TlsConnection made(context, checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket"));
  checked(connect(made.socket_, reinterpret_cast<const sockaddr*>(&target), sizeof target), "connect");
  required(SSL_connect(made.ssl_.get()) == 1, "handshake");
  return made;
}

std::string TlsConnection::peer() const { return uri_of(SSL_get0_peer_certificate(ssl_.get())); }

std::string TlsConnection::read_line() {
  std::string line;
  for (char c = 0;;) {
    required(SSL_read(ssl_.get(), &c, 1) == 1, "closed without a line");
    if (c == '\n') return line;
    line.push_back(c);
  }
}

void TlsConnection::write(const std::string& text) {
  required(SSL_write(ssl_.get(), text.data(), static_cast<int>(text.size())) > 0, "write");
}

Listener::Listener() : socket_(checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket")) {
  const sockaddr_in any = loopback(0);
  checked(bind(socket_, reinterpret_cast<const sockaddr*>(&any), sizeof any), "bind");
  checked(listen(socket_, kBacklog), "listen");
}

Listener::~Listener() { close(socket_); }

int Listener::port() const {
  sockaddr_in bound{};
  socklen_t size = sizeof bound;
  checked(getsockname(socket_, reinterpret_cast<sockaddr*>(&bound), &size), "getsockname");
  return ntohs(bound.sin_port);
}

int Listener::accept() const { return checked(accept4(socket_, nullptr, nullptr, SOCK_CLOEXEC), "accept"); }
