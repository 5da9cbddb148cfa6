// Mutual TLS over TCP with an X.509-SVID; each side is checked by its SPIFFE ID.
#pragma once

#include <memory>
#include <string>

#include "x509.h"

using TlsContext = std::unique_ptr<SSL_CTX, Freed<SSL_CTX_free>>;

TlsContext tls_context(const Svid& svid);

// An established connection. Throws when the other side is not the bundle's, or breaks off.
class TlsConnection {
 public:
  static TlsConnection accept(SSL_CTX* context, int socket);  // owns the socket
  static TlsConnection dial(SSL_CTX* context, const std::string& address);
  TlsConnection(TlsConnection&& other) noexcept;
  ~TlsConnection();

  std::string peer() const;  // its SPIFFE ID
  std::string read_line();   // without the line feed
  void write(const std::string& text);

 private:
  TlsConnection(SSL_CTX* context, int socket);

  int socket_;
  std::unique_ptr<SSL, Freed<SSL_free>> ssl_;
};

// Listens on a free port of 127.0.0.1.
class Listener {
 public:
  Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  ~Listener();
  int port() const;
  int accept() const;

 private:
  int socket_;
};
