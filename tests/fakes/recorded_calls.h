// Recorded calls of the public socket (tests/data/grpc): read from JSON Lines, made again over a real socket.
#pragma once

#include <boost/property_tree/json_parser.hpp>
#include <boost/property_tree/ptree.hpp>
#include <fstream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/core/assert.h"
#include "runtime/grpc/channel.h"

namespace steeple::tests {

class RecordedCall {
 public:
  using Json = boost::property_tree::ptree;
  explicit RecordedCall(const std::string& line) {
    std::istringstream in(line);
    boost::property_tree::read_json(in, json);
  }
  std::string id() const { return json.get<std::string>("id"); }
  std::string path() const { return json.get<std::string>("method"); }
  int uid() const { return json.get<int>("uid"); }
  std::string code() const {
    return json.get<std::string>("response.status.code", "");
  }  // empty: the stream stays open
  std::string message() const { return json.get<std::string>("response.status.message", ""); }
  const Json* first_message() const {
    auto messages = json.get_child_optional("response.messages");
    return messages && !messages->empty() ? &messages->front().second : nullptr;
  }

  runtime::grpc::Metadata metadata() const {
    runtime::grpc::Metadata sent;
    auto extra = json.get_child_optional("open.extra");
    if (!extra) sent.add("workload.spiffe.io", "true");
    if (!extra) return sent;
    for (const auto& [unused, pair] : *extra) {
      sent.add(pair.front().second.get_value<std::string>(), pair.back().second.get_value<std::string>());
    }
    return sent;
  }

  // The request message: recorded bytes, or the one string field that health requests have.
  runtime::Bytes request() const {
    if (encoded_request) return *encoded_request;
    if (auto raw = json.get_child_optional("request_bytes_hex")) {
      std::string hex = raw->front().second.get_value<std::string>();
      runtime::Bytes bytes;
      for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
        bytes.push_back(static_cast<std::uint8_t>(std::stoul(hex.substr(i, 2), nullptr, 16)));
      return bytes;
    }
    std::string service = json.get<std::string>("request.service", "");
    if (service.empty()) return {};
    runtime::Bytes bytes{0x0a, static_cast<std::uint8_t>(service.size())};
    bytes.insert(bytes.end(), service.begin(), service.end());
    return bytes;
  }

  Json json;
  std::optional<runtime::Bytes> encoded_request;  // of messages with more fields, put here by the test
};

inline std::vector<RecordedCall> read_recorded_calls(const std::string& path) {
  std::ifstream in(path);
  STEEPLE_ASSERT(in.good());
  std::vector<RecordedCall> calls;
  for (std::string line; std::getline(in, line);)
    if (!line.empty()) calls.emplace_back(line);
  return calls;
}

// What came back: the first message, if any, and the status, unless the stream stayed open after that message.
class CallOutcome {
 public:
  std::optional<runtime::Bytes> message;
  std::optional<runtime::grpc::Status> status;
};

inline runtime::Task<CallOutcome> make_recorded_call(runtime::grpc::Channel& channel, const RecordedCall& call) {
  using namespace runtime;
  grpc::CallOptions options(Deadline::in(std::chrono::seconds(10)), {});
  options.metadata = call.metadata();
  CallOutcome outcome;
  auto stream = co_await channel.open_stream(call.path(), std::move(options));
  if (!stream) {
    outcome.status = std::move(stream.error());
    co_return outcome;
  }
  Bytes request = call.request();
  (void)co_await (*stream)->send(request);  // a refusal may come first; receive() then says which
  (*stream)->half_close();
  for (;;) {
    auto received = co_await (*stream)->receive();
    if (!received) {
      outcome.status = std::move(received.error());
      co_return outcome;
    }
    if (!*received) {
      outcome.status = grpc::Status::ok();
      co_return outcome;
    }
    outcome.message = std::move(**received);
    if (call.code().empty()) co_return outcome;  // recorded as still open
  }
}

}  // namespace steeple::tests
