// What a Client holds: the socket, the nghttp2 session, and where the message being read stands.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <string>

#include "bench/load/client.h"

namespace steeple::bench {

struct Client::State {
  const CallShape* call = nullptr;
  int fd = -1;
  nghttp2_session* session = nullptr;
  std::int32_t stream = -1;
  std::string outbox;  // request bytes not yet given to the session
  std::uint64_t messages = 0;
  unsigned char prefix[5] = {};
  std::size_t have = 0;  // bytes of the message being read, its prefix included
  std::size_t message_bytes = 0;
  std::string kept;  // the message, where it is to be acknowledged
  bool saw_expected = false;
  std::string grpc_status;
  std::string grpc_message;
  std::string failure;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State();

  bool connect(const std::string& socket_path, bool& backlog_full);
  void open_session();
  bool open_stream();
  bool flush();
  bool receive();
  Progress judge();
  void on_data(const std::uint8_t* data, std::size_t size);
  void on_message();
  void on_header(std::string_view name, std::string_view value);
  bool fail(const char* doing, int error_number);
};

}  // namespace steeple::bench
