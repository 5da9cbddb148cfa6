#include "agent/sds/sds_api.h"

#include "agent/endpoints/status_text.h"
#include "agent/sds/sds_stream.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"

namespace steeple::agent {

using attestation::Selectors;
using runtime::Bytes;
using runtime::Deadline;
using runtime::LogLevel;
using runtime::Result;
using runtime::StopReason;
using runtime::Task;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

SdsApi& api_of(void* service) { return *static_cast<SdsApi*>(service); }

Task<Status> stream_secrets(void* service, ServerCall& call) { return api_of(service).stream_secrets(call); }
Task<Status> fetch_secrets(void* service, ServerCall& call) { return api_of(service).fetch_secrets(call); }
Task<Status> delta_secrets(void*, ServerCall&) {
  co_return Status(StatusCode::kUnimplemented, "Method is not implemented");
}

void log_request(const CallLog& log, const SdsRequest& request) {
  if (log.enabled(LogLevel::kDebug)) {
    log.debug(
        "Received StreamSecrets request",
        {{"resource_names", request.names}, {"version_info", request.version_info}, {"nonce", request.response_nonce}});
  }
  if (request.error_message) {
    log.error("Envoy reported errors applying secrets",
              {{"resource_names", request.names}, {"error", *request.error_message}});
  }
}

void log_noted(const CallLog& log, const SdsStream::Noted& noted, const std::string& nonce,
               const std::string& version) {
  if (noted.stale_nonce) {
    log.warning("Received unexpected nonce; ignoring request", {{"nonce", nonce}, {"expect", noted.expected}});
  } else if (noted.version_rejected) {
    log.error("Client rejected expected version and rolled back",
              {{"version_info", version}, {"expect", noted.expected}});
  }
}

}  // namespace

// What the three tasks of a stream share.
struct SdsApi::Stream {
  Stream(runtime::Loop& loop, ServerCall& served, CallLog call_log, std::unique_ptr<Subscription> subscription,
         SdsResponses& responses)
      : call(served),
        log(call_log),
        updates(std::move(subscription)),
        machine(responses),
        changed(loop),
        sent(loop),
        tasks(loop, served.stop()) {}

  void end_with(Status status) {
    if (!ended) ended = std::move(status);
    changed.notify();
  }
  // Apart from the coroutines, whose frames are there as long as the stream: a malformed request ends it.
  [[gnu::noinline]] void take_request(runtime::BytesView message);
  // What to send, or the status that ends the stream.
  [[gnu::noinline]] Result<runtime::SharedBytes, Status> next_message();
  [[gnu::noinline]] Status not_sent(const runtime::Error& error) const;

  ServerCall& call;
  CallLog log;
  std::unique_ptr<Subscription> updates;
  SdsStream machine;
  runtime::Signal changed;  // something is to be sent, or the stream has ended
  runtime::Signal sent;     // requests are taken one by one: the next once the last is answered
  std::optional<Status> ended;
  runtime::TaskGroup tasks;
};

void SdsApi::Stream::take_request(runtime::BytesView message) {
  std::optional<SdsRequest> request = SdsRequest::parse(message);
  if (!request) {
    Status status = status_text::malformed_stream_request();
    log.error("Received error from stream secrets server", {{"error", status.text()}});
    return end_with(std::move(status));
  }
  log_request(log, *request);
  const std::string nonce = request->response_nonce;
  const std::string version = request->version_info;
  log_noted(log, machine.on_request(std::move(*request)), nonce, version);
}

Result<runtime::SharedBytes, Status> SdsApi::Stream::next_message() {
  Result<SdsAnswer, Status> answer = machine.next();
  if (!answer) {
    log.error("Error building stream secrets response", {{"error", answer.error().text()}});
    return std::move(answer.error());
  }
  if (log.enabled(LogLevel::kDebug)) {
    log.debug("Sending StreamSecrets response",
              {{"version_info", machine.version_info()}, {"nonce", answer->nonce}, {"count", answer->count}});
  }
  return std::move(answer->message);
}

Status SdsApi::Stream::not_sent(const runtime::Error& error) const {
  log.error("Error sending secrets over stream", {{"error", error}});
  return status_text::of_wait(error);
}

SdsApi::SdsApi(runtime::Loop& loop, CallerAttestor& callers, IdentitySource& identities, RateLimiter& limits,
               SdsOptions options, const runtime::Logger& log)
    : loop_(loop),
      callers_(callers),
      identities_(identities),
      limits_(limits),
      log_(log.with_subsystem("endpoints")),
      responses_(std::move(options)) {}

void SdsApi::add_to(runtime::grpc::ServiceTable& table) {
  table.add(this, {{kStreamSecretsMethod, MethodKind::kBidirectional, &agent::stream_secrets},
                   {kFetchSecretsMethod, MethodKind::kUnary, &agent::fetch_secrets},
                   {kDeltaSecretsMethod, MethodKind::kBidirectional, &delta_secrets}});
}

Task<SdsApi::Opened> SdsApi::open(ServerCall& call, CallLog log) {
  Result<Selectors, Status> selectors = co_await callers_.attest(call, log);
  if (!selectors) co_return std::move(selectors.error());
  if (!callers_.is_own(call) && !limits_.allow(call.path(), *selectors))
    co_return status_text::rate_limited(call.path());
  auto updates = co_await identities_.subscribe(std::move(*selectors), call.deadline(), call.stop());
  if (!updates) {
    log.error("Subscribe to cache changes failed", {{"error", updates.error()}});
    co_return status_text::of_wait(updates.error());
  }
  co_return std::move(*updates);
}

Task<void> SdsApi::read_requests(Stream& stream) {
  for (;;) {
    {
      Result<std::optional<Bytes>> message = co_await stream.call.receive();
      if (!message) co_return stream.end_with(status_text::of_wait(message.error()));
      if (!message->has_value()) co_return stream.end_with(Status::ok());  // half-closed
      stream.take_request(**message);
    }
    if (stream.ended) co_return;
    while (stream.machine.wants_to_send()) {
      stream.changed.notify();
      Result<void> answered = co_await stream.sent.wait(Deadline::never(), stream.tasks.token());
      if (!answered) co_return;
    }
  }
}

Task<void> SdsApi::watch_updates(Stream& stream) {
  for (;;) {
    auto update = co_await stream.updates->next(Deadline::never(), stream.tasks.token());
    if (!update) co_return stream.end_with(status_text::of_wait(update.error()));
    stream.machine.on_update(std::move(*update));
    if (stream.machine.wants_to_send()) stream.changed.notify();
  }
}

Task<Status> SdsApi::send_responses(Stream& stream) {
  for (;;) {
    while (!stream.ended && !stream.machine.wants_to_send()) {
      Result<void> woken = co_await stream.changed.wait(Deadline::never(), stream.call.stop());
      if (!woken) co_return status_text::of_wait(woken.error());
    }
    if (stream.ended) co_return *stream.ended;
    Result<runtime::SharedBytes, Status> message = stream.next_message();
    if (!message) co_return std::move(message.error());
    Result<void> sent = co_await stream.call.send(std::move(*message));
    if (!sent) co_return stream.not_sent(sent.error());
    stream.sent.notify();
  }
}

Task<Status> SdsApi::stream_secrets(ServerCall& call) {
  CallLog log(log_, call);
  Opened updates = co_await open(call, log);
  if (!updates) co_return std::move(updates.error());
  Stream stream(loop_, call, log, std::move(*updates), responses_);
  stream.tasks.spawn(watch_updates(stream));
  stream.tasks.spawn(read_requests(stream));
  Status status = co_await send_responses(stream);
  call.stop_receiving();
  stream.tasks.close(StopReason::kReplaced);
  co_await stream.tasks.join();
  responses_.forget_unused();
  co_return status;
}

Task<Status> SdsApi::fetch_secrets(ServerCall& call) {
  CallLog log(log_, call);
  std::optional<SdsRequest> request = SdsRequest::parse(call.request());
  if (!request) co_return status_text::malformed_unary_request();
  Opened updates = co_await open(call, log);
  if (!updates) co_return std::move(updates.error());
  auto update = co_await (*updates)->next(call.deadline(), call.stop());
  if (!update) co_return status_text::of_wait(update.error());
  SdsQuestion question{std::move(*update),
                       wanted_names(request->names),
                       uses_spiffe_validator(request->node, responses_.options()),
                       {},
                       request->type_url};
  Result<SdsAnswer, Status> answer = responses_.answer_once(question);
  if (!answer) {
    log.error("Error building fetch secrets response",
              {{"resource_names", request->names}, {"error", answer.error().text()}});
    co_return std::move(answer.error());
  }
  if (log.enabled(LogLevel::kDebug))
    log.debug("Sending FetchSecrets response", {{"resource_names", request->names}, {"count", answer->count}});
  Result<void> sent = co_await call.send(std::move(answer->message));
  if (!sent) co_return status_text::of_wait(sent.error());
  co_return Status::ok();
}

}  // namespace steeple::agent
