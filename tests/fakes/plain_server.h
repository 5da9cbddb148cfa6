// A small HTTP server on the test's loop, without TLS: each request gets the answer a function gives for its first
// line and body, and is kept. One request a connection.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <charconv>
#include <functional>
#include <string>
#include <vector>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/task_group.h"

namespace steeple::testing {

class PlainServer {
 public:
  explicit PlainServer(runtime::Loop& on) : loop_(on) { group_.spawn(accept()); }
  ~PlainServer() {
    group_.close(runtime::StopReason::kShutdown);
    boost::system::error_code ignored;
    acceptor_.close(ignored);
    runtime::run_until_done(loop_, group_.join());
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(acceptor_.local_endpoint().port()); }
  static std::string answer_of(const std::string& status, const std::string& body) {
    return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) +
           "\r\nConnection: close\r\n\r\n" + body;
  }

  std::function<std::string(const std::string& request)> answer;  // from a request to the bytes sent back
  std::vector<std::string> requests;

 private:
  using tcp = boost::asio::ip::tcp;
  using ErrorCode = boost::system::error_code;
  runtime::Task<void> accept() {
    while (!group_.token().stop_requested()) {
      tcp::socket socket(loop_.io());
      auto [error] = co_await runtime::async_op<ErrorCode>(
          [&](auto handler) { acceptor_.async_accept(socket, std::move(handler)); }, group_.token());
      if (error) co_return;
      group_.spawn(serve(std::move(socket)));
    }
  }
  static std::size_t body_size(const std::string& request) {
    const std::string name = "Content-Length: ";
    const std::size_t at = request.find(name);
    std::size_t size = 0;
    if (at != std::string::npos) {
      std::from_chars(request.data() + at + name.size(), request.data() + request.size(), size);
    }
    return size;
  }
  runtime::Task<void> serve(tcp::socket socket) {
    std::string request;
    std::size_t head = std::string::npos;
    while (head == std::string::npos || request.size() < head + 4 + body_size(request)) {
      std::string piece(64 * 1024, '\0');
      auto [error, size] = co_await runtime::async_op<ErrorCode, std::size_t>(
          [&](auto handler) { socket.async_read_some(boost::asio::buffer(piece), std::move(handler)); },
          group_.token());
      if (error) co_return;
      request += piece.substr(0, size);
      head = request.find("\r\n\r\n");
    }
    requests.push_back(request);
    const std::string reply = answer(request);
    co_await runtime::async_op<ErrorCode, std::size_t>(
        [&](auto handler) { boost::asio::async_write(socket, boost::asio::buffer(reply), std::move(handler)); },
        group_.token());
    ErrorCode ignored;
    socket.shutdown(tcp::socket::shutdown_send, ignored);
  }

  runtime::Loop& loop_;
  tcp::acceptor acceptor_{loop_.io(), tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  runtime::TaskGroup group_{loop_};
};

}  // namespace steeple::testing
