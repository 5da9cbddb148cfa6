// Recorded answers of the stock agent to odd and malformed requests, given by our server too (endpoints 1.3).
#include <boost/json/src.hpp>
#include <catch2/catch.hpp>
#include <fstream>

#include "runtime/grpc/metadata.h"
#include "runtime/grpc/server.h"
#include "runtime/task/blocking.h"
#include "runtime/task/signal.h"
#include "runtime/task/timeout.h"
#include "tests/fakes/memory_stream.h"
#include "tests/fakes/raw_http2_client.h"

namespace steeple::runtime::grpc {
namespace {

namespace json = boost::json;
using namespace steeple::runtime::fakes;

// As many methods, of the same kinds, as the recorded ones.
Task<Status> unary(void*, ServerCall& call) {
  (void)co_await call.send(make_message(as_bytes("answer")));
  co_return Status::ok();
}
Task<Status> stream(void* loop, ServerCall& call) {
  Signal never(*static_cast<Loop*>(loop));
  (void)co_await call.send(make_message(as_bytes("answer")));
  (void)co_await never.wait(Deadline::never(), call.stop());
  co_return Status(StatusCode::kUnavailable, "stopped");
}

bool flag_of(const json::object& object, const char* key, bool otherwise) {
  const json::value* value = object.if_contains(key);
  return value ? value->as_bool() : otherwise;
}

// The text of `key`; `otherwise` when it is absent; nothing when it is null or false.
std::optional<std::string> text_of(const json::object& object, const char* key, const char* otherwise) {
  const json::value* value = object.if_contains(key);
  if (value == nullptr) return otherwise;
  if (!value->is_string()) return std::nullopt;
  return std::string(value->as_string());
}

HeaderList headers_of(const json::object& recorded, const std::string& path) {
  static const json::object kEmpty;
  const json::value* value = recorded.if_contains("open");
  const json::object& open = value ? value->as_object() : kEmpty;
  HeaderList headers;
  headers.emplace_back(":method", *text_of(open, "method", "POST"));
  headers.emplace_back(":scheme", *text_of(open, "scheme", "http"));
  headers.emplace_back(":path", path);
  if (auto authority = text_of(open, "authority", "localhost")) headers.emplace_back(":authority", *authority);
  if (auto type = text_of(open, "ct", "application/grpc")) headers.emplace_back("content-type", *type);
  if (flag_of(open, "te", true)) headers.emplace_back("te", "trailers");
  if (auto agent = text_of(open, "ua", "grpc-go/1.83.0")) headers.emplace_back("user-agent", *agent);
  if (open.contains("timeout")) headers.emplace_back("grpc-timeout", *text_of(open, "timeout", ""));
  if (const json::value* extra = open.if_contains("extra")) {
    for (const json::value& pair : extra->as_array()) {
      headers.emplace_back(std::string(pair.as_array()[0].as_string()), std::string(pair.as_array()[1].as_string()));
    }
  }
  return headers;
}

std::string bytes_from_hex(std::string_view hex) {
  if (hex == "<4194305 bytes>") return std::string(4194305, '\0');
  std::string out;
  for (std::size_t i = 0; i + 1 < hex.size(); i += 2)
    out += static_cast<char>(std::stoi(std::string(hex.substr(i, 2)), nullptr, 16));
  return out;
}

Bytes body_of(const json::object& recorded) {
  bool framed = flag_of(recorded, "frame", true);
  const json::value* flag = recorded.if_contains("flag");
  std::vector<std::string> messages{""};
  if (const json::value* hex = recorded.if_contains("request_bytes_hex")) {
    messages.clear();
    for (const json::value& one : hex->as_array()) messages.push_back(bytes_from_hex(std::string(one.as_string())));
  }
  Bytes body;
  for (const std::string& message : messages) {
    Bytes next = framed ? message_frame(message) : bytes_of(message);
    if (flag) next[0] = static_cast<std::uint8_t>(flag->as_int64());
    body += next;
  }
  return body;
}

// HEADERS, then DATA frames of at most 16 KiB, as fast as the stream's window allows.
Task<void> send_request(RawClient* client, const json::object* recorded) {
  const json::value* open = recorded->if_contains("open");
  bool end_at_once = open && flag_of(open->as_object(), "end", false);
  bool half_close = !flag_of(*recorded, "no_half_close", false);
  Bytes block = header_block(headers_of(*recorded, std::string(recorded->at("method").as_string())));
  Bytes head = client_preface();
  head += frame(kHeaders, static_cast<std::uint8_t>(kEndHeaders | (end_at_once ? kEndStream : 0)), 1, block);
  co_await client->send(std::move(head));
  if (end_at_once) co_return;
  Bytes body = body_of(*recorded);
  constexpr std::size_t kWindow = 60'000;
  BytesView rest(body.data(), std::min(body.size(), kWindow));
  bool cut = rest.size() < body.size();
  while (!rest.empty()) {
    std::size_t size = std::min<std::size_t>(rest.size(), 16384);
    bool last = size == rest.size() && half_close && !cut;
    co_await client->send(frame(kData, last ? kEndStream : 0, 1, rest.first(size)));
    rest = rest.subspan(size);
  }
  if (body.empty() && half_close) co_await client->send(frame(kData, kEndStream, 1, {}));
}

struct Seen {
  std::vector<HeaderList> headers;
  std::size_t data_frames = 0;
  std::optional<std::uint32_t> reset;
  bool ended = false;
};

Seen seen_by(const RawClient& client) {
  Seen seen;
  for (const Frame& one : client.frames) {
    if (one.stream != 1) continue;
    if (one.type == kHeaders) seen.headers.push_back(one.headers);
    if (one.type == kData) ++seen.data_frames;
    if (one.type == kReset) seen.reset = number_at(one.payload, 0);
    if ((one.flags & kEndStream) != 0 && (one.type == kHeaders || one.type == kData)) seen.ended = true;
  }
  return seen;
}

HeaderList expected_head(const json::object& response) {
  HeaderList headers;
  for (const json::value& pair : response.at("headers").as_array()) {
    headers.emplace_back(std::string(pair.as_array()[0].as_string()), std::string(pair.as_array()[1].as_string()));
  }
  return headers;
}

int code_named(std::string_view name) {
  for (int code = 0; code <= 16; ++code) {
    if (to_string(static_cast<StatusCode>(code)) == name) return code;
  }
  return -1;
}

void check_answer(const json::object& response, const Seen& seen) {
  bool trailers_only = false;
  HeaderList status;
  if (const json::value* expected = response.if_contains("status")) {
    const json::object& object = expected->as_object();
    trailers_only = object.at("trailers_only").as_bool();
    status.emplace_back("grpc-status", std::to_string(code_named(std::string(object.at("code").as_string()))));
    status.emplace_back("grpc-message", percent_encode(std::string(object.at("message").as_string())));
  }
  std::vector<HeaderList> expected;
  if (response.contains("headers")) expected.push_back(expected_head(response));
  if (trailers_only) {
    expected.back().insert(expected.back().end(), status.begin(), status.end());
  } else if (!status.empty()) {
    expected.push_back(status);
  }
  CHECK(seen.headers == expected);
  const json::value* messages = response.if_contains("messages");
  CHECK(seen.data_frames == (messages ? static_cast<std::size_t>(messages->as_int64()) : 0));
  CHECK(seen.ended == !status.empty());
  std::optional<std::uint32_t> reset;
  if (const json::value* name = response.if_contains("rst_stream")) {
    reset = name->as_string() == "NO_ERROR" ? 0 : name->as_string() == "CANCEL" ? 8 : 1;
  }
  CHECK(seen.reset == reset);
}

Task<void> serve_owned(Server* server, std::unique_ptr<Transport> transport) {
  static const Peer kNobody;
  co_await server->serve(*transport, &kNobody);
}

// A PING behind the request: its acknowledgement proves that everything before it was looked at.
Task<void> play(Loop* loop, Server* server, TaskGroup* connections, const json::object* recorded) {
  auto [mine, theirs] = make_memory_streams(*loop);
  connections->spawn(serve_owned(server, std::move(theirs)));
  RawClient client(std::move(mine));
  co_await send_request(&client, recorded);
  const json::object& response = recorded->at("response").as_object();
  bool deadline_first = response.contains("rst_stream") && response.at("rst_stream").as_string() == "CANCEL";
  co_await client.send(frame(kPing, 0, 0, Bytes(8, 7)));
  co_await client.read_until(
      [&](const std::vector<Frame>&) { return deadline_first ? client.count(kReset) != 0 : client.count(kPing) != 0; });
  if (!deadline_first) {
    // Handlers answer within a turn or two of the loop; a second PING is behind them.
    Signal pause(*loop);
    for (int i = 0; i < 5; ++i) (void)co_await pause.wait(Deadline::in(std::chrono::microseconds(1)), StopToken());
    co_await client.send(frame(kPing, 0, 0, Bytes(8, 8)));
    co_await client.read_until([&](const std::vector<Frame>&) { return client.count(kPing) == 2; });
  }
  check_answer(response, seen_by(client));
  co_await client.close();
}

Task<void> play_all(Loop* loop, Server* server, TaskGroup* connections, const std::vector<json::object>* cases) {
  for (const json::object& one : *cases) {
    INFO(std::string(one.at("id").as_string()));
    co_await play(loop, server, connections, &one);
  }
  co_await server->stop(Status(StatusCode::kUnavailable, "bye"), std::chrono::milliseconds(100));
  connections->close(StopReason::kShutdown);
  co_await connections->join();
}

TEST_CASE("Odd and malformed requests are answered as the stock agent answers them") {
  std::ifstream file(STEEPLE_TEST_DATA "/grpc/protocol.jsonl");
  std::vector<json::object> cases;
  for (std::string line; std::getline(file, line);) cases.push_back(json::parse(line).as_object());
  REQUIRE(cases.size() > 50);
  Loop loop;
  ServiceTable table;
  table.add(&loop, {{"/SpiffeWorkloadAPI/FetchX509SVID", MethodKind::kServerStream, stream},
                    {"/SpiffeWorkloadAPI/FetchJWTSVID", MethodKind::kUnary, unary}});
  ServerOptions options;
  Server server(loop, table, options, Logger());
  TaskGroup connections(loop);
  run_until_done(loop, play_all(&loop, &server, &connections, &cases));
}

}  // namespace
}  // namespace steeple::runtime::grpc
