// A small HTTPS server on the test's loop: each request of a kept connection gets the answer that is set then, and more
// of it can be sent later. Its certificate is good for localhost, unless other names are given. Counts handshakes,
// keeps what it was asked and how long the client's chain was.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <string>
#include <vector>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/task_group.h"
#include "runtime/tls/tls_transport.h"
#include "tests/fakes/test_pki.h"

namespace steeple::testing {

class HttpsServer {
 public:
  explicit HttpsServer(runtime::Loop& on, std::vector<std::string> names = {"localhost"}) : loop(on) {
    runtime::CertificateTemplate wanted = leaf_template(key, "", now);
    wanted.dns_sans = std::move(names);
    wanted.subject = {{runtime::NameAttribute::Type::kCommonName, "localhost"}};
    leaf.emplace(Leaf{sign(wanted, authority.key, &authority.certificate), key});
    runtime::TlsServerContext::Options options;
    options.alpn = "";
    options.identity = [this] { return std::optional(identity_of(*leaf)); };
    options.verifier = [this](std::span<const runtime::Bytes> chain) -> runtime::Result<void> {
      client_chain_size = chain.size();
      return {};
    };
    context_ = *runtime::TlsServerContext::make(options);
    group_.spawn(accept());
  }
  ~HttpsServer() {
    group_.close(runtime::StopReason::kShutdown);
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    runtime::run_until_done(loop, group_.join());
  }
  std::uint16_t port() const { return acceptor_.local_endpoint().port(); }

  // More of the answer under way.
  void push(std::string text) { group_.spawn(send(std::move(text))); }

  runtime::Loop& loop;
  runtime::WallTime now = std::chrono::system_clock::now();
  Authority authority = new_authority(now);
  runtime::PrivateKey key = new_key();
  std::optional<Leaf> leaf;
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
  std::string request_end = "\r\n\r\n";
  std::vector<std::string> requests;
  std::size_t client_chain_size = 0;
  int handshakes = 0;

 private:
  using tcp = boost::asio::ip::tcp;
  runtime::Task<void> accept() {
    while (!group_.token().stop_requested()) {
      tcp::socket socket(loop.io());
      auto [error] = co_await runtime::async_op<boost::system::error_code>(
          [&](auto handler) { acceptor_.async_accept(socket, std::move(handler)); }, group_.token());
      if (error) co_return;
      group_.spawn(serve(std::move(socket)));
    }
  }
  runtime::Task<void> serve(tcp::socket socket) {
    auto transport = co_await runtime::TlsAcceptor(loop, context_).accept(std::move(socket), group_.token());
    if (!transport) co_return;
    ++handshakes;
    std::optional<runtime::StopCallback> on_stop;
    on_stop.emplace(group_.token(), [&](runtime::StopReason reason) { (*transport)->cancel(reason); });
    while (co_await answer_one(**transport)) {
    }
    if (answering_ == transport->get()) answering_ = nullptr;
    on_stop.reset();
    co_await (*transport)->close();
  }
  runtime::Task<bool> answer_one(runtime::Transport& transport) {
    std::string request;
    while (request.find("\r\n\r\n") == std::string::npos || !request.ends_with(request_end)) {
      auto bytes = co_await transport.receive();
      if (!bytes || bytes->end_of_stream()) co_return false;
      request += runtime::as_text(bytes->view());
    }
    requests.push_back(std::move(request));
    answering_ = &transport;
    runtime::Result<void> sent = co_await transport.send(runtime::as_bytes(answer));
    co_return sent.has_value();
  }
  runtime::Task<void> send(std::string text) {
    if (answering_) static_cast<void>(co_await answering_->send(runtime::as_bytes(text)));
  }

  std::shared_ptr<runtime::TlsServerContext> context_;
  tcp::acceptor acceptor_{loop.io(), tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  runtime::Transport* answering_ = nullptr;  // the connection of the last request
  runtime::TaskGroup group_{loop};
};

}  // namespace steeple::testing
