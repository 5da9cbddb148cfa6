#include "agent/cli/workload_client.h"

#include <csignal>

#include "grpc/health/v1/health.pb.h"
#include "runtime/engine/unix_transport.h"
#include "runtime/loop/signals.h"
#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"

namespace steeple::agent::cli {
namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Deadline;
using runtime::Loop;
using runtime::Result;
using runtime::StopReason;
using runtime::StopToken;
using runtime::Task;
using runtime::grpc::CallOptions;
using runtime::grpc::Channel;
using runtime::grpc::ClientStream;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

constexpr const char* kHealthCheck = "/grpc.health.v1.Health/Check";
constexpr auto kBackoffStep = std::chrono::seconds(1);
constexpr int kBackoffStepsMax = 30;

std::unique_ptr<Channel> make_channel(Loop& loop, const std::string& socket) {
  runtime::grpc::ChannelOptions options;
  options.authority = "localhost";
  return std::make_unique<Channel>(loop, std::make_unique<runtime::UnixConnector>(loop, socket), std::move(options));
}

CallOptions workload_call(Deadline deadline, StopToken stop) {
  CallOptions options(deadline, stop);
  options.metadata.add("workload.spiffe.io", "true");
  return options;
}

Task<Result<std::unique_ptr<ClientStream>, Status>> open_fetch(Channel& channel, const char* method, Deadline deadline,
                                                               StopToken stop) {
  auto stream = co_await channel.open_stream(method, workload_call(deadline, stop));
  if (!stream) co_return std::move(stream.error());
  if (Result<void, Status> sent = co_await (*stream)->send(BytesView()); !sent) {
    // The status that ended the call says more than the failed send.
    Result<std::optional<Bytes>, Status> end = co_await (*stream)->receive();
    co_return end ? sent.error() : end.error();
  }
  (*stream)->half_close();
  co_return std::move(*stream);
}

Task<Result<Bytes, Status>> fetch_first(Loop& loop, std::string socket, const char* method, Deadline deadline,
                                        bool* opened) {
  const std::unique_ptr<Channel> channel = make_channel(loop, socket);
  Result<Bytes, Status> answer = Status(StatusCode::kInternal, "server closed the stream without sending a response");
  {
    auto stream = co_await open_fetch(*channel, method, deadline, StopToken());
    if (opened) *opened = stream.has_value();
    if (!stream) {
      answer = std::move(stream.error());
    } else {
      Result<std::optional<Bytes>, Status> message = co_await (*stream)->receive();
      if (!message) {
        answer = std::move(message.error());
      } else if (*message) {
        answer = std::move(**message);
      }
    }
  }
  co_await channel->close(StopReason::kShutdown);
  co_return answer;
}

Task<Result<int, Status>> check_once(Loop& loop, std::string socket) {
  const std::unique_ptr<Channel> channel = make_channel(loop, socket);
  Result<Bytes, Status> message =
      co_await channel->unary(kHealthCheck, Bytes(), CallOptions(Deadline::never(), StopToken()));
  Result<int, Status> answer = 0;
  ::grpc::health::v1::HealthCheckResponse response;
  if (!message) {
    answer = std::move(message.error());
  } else if (!response.ParseFromArray(message->data(), static_cast<int>(message->size()))) {
    answer = Status(StatusCode::kInternal, "failed to unmarshal the received message");
  } else {
    answer = static_cast<int>(response.status());
  }
  co_await channel->close(StopReason::kShutdown);
  co_return answer;
}

Task<Result<Bytes, Status>> unary_once(Loop& loop, std::string socket, const char* method, Bytes request,
                                       CallOptions options) {
  const std::unique_ptr<Channel> channel = make_channel(loop, socket);
  Result<Bytes, Status> message = co_await channel->unary(method, std::move(request), std::move(options));
  co_await channel->close(StopReason::kShutdown);
  co_return message;
}

const Status& cancelled() {
  static const Status kStatus(StatusCode::kCancelled, "context canceled");
  return kStatus;
}

// One stream, until it ends. `received` counts its messages.
Task<Status> follow(Channel& channel, WatchEvents& events, StopToken stop, int& received) {
  auto stream = co_await open_fetch(channel, kFetchX509SvidPath, Deadline::never(), stop);
  if (!stream) co_return std::move(stream.error());
  for (;;) {
    Result<std::optional<Bytes>, Status> message = co_await (*stream)->receive();
    if (!message) co_return std::move(message.error());
    if (!*message) co_return Status(StatusCode::kUnavailable, "error reading from server: EOF");
    ++received;
    events.on_message(**message);
  }
}

Task<std::string> watch_until_stopped(Loop& loop, std::string socket, WatchEvents& events, StopToken stop) {
  const std::unique_ptr<Channel> channel = make_channel(loop, socket);
  std::string ended_with;
  for (int attempt = 1; ended_with.empty(); ++attempt) {
    int received = 0;
    Status status = co_await follow(*channel, events, stop, received);
    if (stop.stop_requested()) status = cancelled();
    events.on_error(status.text());
    if (status.code() == StatusCode::kCancelled || status.code() == StatusCode::kInvalidArgument) {
      ended_with = status.text();
      break;
    }
    if (received > 0) attempt = 1;
    const Deadline pause = Deadline::in(kBackoffStep * std::min(attempt, kBackoffStepsMax));
    if (Result<void> waited = co_await runtime::sleep_until(loop, pause, stop); !waited)
      ended_with = "context canceled";
  }
  co_await channel->close(StopReason::kShutdown);
  co_return ended_with;
}

}  // namespace

Result<Bytes, Status> fetch_first_message(const std::string& socket, const char* method, Deadline deadline,
                                          bool* opened) {
  Loop loop;
  return runtime::run_until_done(loop, fetch_first(loop, socket, method, deadline, opened));
}

Result<Bytes, Status> call_workload_api(const std::string& socket, const char* method, const std::string& request,
                                        Deadline deadline) {
  Loop loop;
  return runtime::run_until_done(loop, unary_once(loop, socket, method, runtime::to_bytes(runtime::as_bytes(request)),
                                                  workload_call(deadline, StopToken())));
}

Result<Bytes, Status> call_unary(const std::string& socket, const char* method, const std::string& request) {
  Loop loop;
  return runtime::run_until_done(loop, unary_once(loop, socket, method, runtime::to_bytes(runtime::as_bytes(request)),
                                                  CallOptions(Deadline::never(), StopToken())));
}

Result<int, Status> check_health(const std::string& socket) {
  Loop loop;
  return runtime::run_until_done(loop, check_once(loop, socket));
}

std::string watch_x509_svids(const std::string& socket, WatchEvents& events) {
  Loop loop;
  runtime::StopSource stop;
  const auto on_signal = [&stop](int number) {
    if (number == SIGINT) {
      stop.request_stop(StopReason::kCallerCancelled);
    } else if (number == SIGTERM) {
      std::signal(SIGTERM, SIG_DFL);
      std::raise(SIGTERM);
    }
  };
  runtime::Result<std::unique_ptr<runtime::Signals>> signals = runtime::Signals::install(loop, on_signal);
  if (!signals) return signals.error().message();
  return runtime::run_until_done(loop, watch_until_stopped(loop, socket, events, stop.token()));
}

}  // namespace steeple::agent::cli
