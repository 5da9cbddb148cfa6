// A call as a handler sees it, without a connection: what it sends is kept; the test is the client.
#pragma once

#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "runtime/grpc/call.h"
#include "runtime/task/signal.h"

namespace steeple::tests {

class FakeServerCall final : public runtime::grpc::ServerCall {
 public:
  FakeServerCall(runtime::Loop& loop, std::string path, const runtime::Peer* process)
      : path_(std::move(path)), room_(loop), arrived_(loop) {
    peer_.process = process;
  }

  // The client's side.
  void add_metadata(std::string key, std::string value) { metadata_.add(std::move(key), std::move(value)); }
  void set_request(runtime::Bytes request) { request_ = std::move(request); }
  // Of a bidirectional call: without open_input() the client has half-closed from the start.
  void open_input() { input_open_ = true; }
  void push_message(runtime::Bytes message) {
    messages_.push_back(std::move(message));
    arrived_.notify();
  }
  void half_close() {
    input_open_ = false;
    arrived_.notify();
  }
  void cancel(runtime::StopReason reason) { stop_.request_stop(reason); }
  void stop_reading() { reading_ = false; }
  void read_again() {
    reading_ = true;
    room_.notify();
  }
  // Messages without their prefix.
  const std::vector<runtime::Bytes>& sent() const { return sent_; }
  bool connection_closes() const { return closes_; }

  const runtime::grpc::CallPeer& peer() const override { return peer_; }
  std::string_view path() const override { return path_; }
  const runtime::grpc::Metadata& metadata() const override { return metadata_; }
  runtime::Deadline deadline() const override { return {}; }
  runtime::StopToken stop() const override { return stop_.token(); }
  runtime::BytesView request() const override { return request_; }
  runtime::Task<runtime::Result<std::optional<runtime::Bytes>>> receive() override {
    while (messages_.empty() && input_open_) {
      STEEPLE_CO_CHECK(co_await arrived_.wait(runtime::Deadline::never(), stop_.token()));
    }
    if (messages_.empty()) co_return std::optional<runtime::Bytes>();
    std::optional<runtime::Bytes> next = std::move(messages_.front());
    messages_.pop_front();
    co_return std::move(next);
  }
  void stop_receiving() override { half_close(); }
  runtime::Task<runtime::Result<void>> send(runtime::SharedBytes framed) override {
    while (!reading_) STEEPLE_CO_CHECK(co_await room_.wait(runtime::Deadline::never(), stop_.token()));
    if (stop_.stop_requested()) co_return stop_.token().error();
    sent_.push_back(runtime::to_bytes(framed.view().subspan(5)));
    co_return runtime::Result<void>();
  }
  void close_connection_after() override { closes_ = true; }

 private:
  runtime::grpc::CallPeer peer_;
  std::string path_;
  runtime::grpc::Metadata metadata_;
  runtime::Bytes request_;
  mutable runtime::StopSource stop_;
  runtime::Signal room_;
  runtime::Signal arrived_;
  std::deque<runtime::Bytes> messages_;
  bool input_open_ = false;
  bool reading_ = true;
  bool closes_ = false;
  std::vector<runtime::Bytes> sent_;
};

}  // namespace steeple::tests
