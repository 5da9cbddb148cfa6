#include "agent/workload_api/workload_api.h"

#include <fmt/format.h>

#include <algorithm>

#include "agent/cache/workload_update.h"
#include "agent/endpoints/security_header.h"
#include "agent/endpoints/status_text.h"
#include "spiffe/workload/workload.pb.h"

namespace steeple::agent {

using attestation::Selectors;
using runtime::Deadline;
using runtime::LogFields;
using runtime::LogLevel;
using runtime::Result;
using runtime::SharedBytes;
using runtime::StopToken;
using runtime::Task;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

using NextUpdate = Result<std::shared_ptr<const WorkloadUpdate>>;

// The requests of the streaming methods have no fields: any bytes that decode will do.
bool decodes(runtime::BytesView request) {
  if (request.empty()) return true;
  X509SVIDRequest message;
  return message.ParseFromArray(request.data(), static_cast<int>(request.size()));
}

WorkloadApi& api_of(void* service) { return *static_cast<WorkloadApi*>(service); }

Task<Status> fetch_x509_svid(void* service, ServerCall& call) { return api_of(service).fetch_x509_svid(call); }
Task<Status> fetch_x509_bundles(void* service, ServerCall& call) { return api_of(service).fetch_x509_bundles(call); }
Task<Status> fetch_jwt_bundles(void* service, ServerCall& call) { return api_of(service).fetch_jwt_bundles(call); }

Task<Status> refuse(ServerCall& call, std::string_view text) {
  Status header = check_security_header(call.path(), call.metadata());
  if (!header.is_ok()) co_return header;
  if (!decodes(call.request())) co_return status_text::malformed_stream_request();
  co_return Status(StatusCode::kUnimplemented, std::string(text));
}
Task<Status> fetch_wit_svid(void*, ServerCall& call) { return refuse(call, "fetching WIT-SVIDs is not implemented"); }
Task<Status> fetch_wit_bundles(void*, ServerCall& call) {
  return refuse(call, "fetching WIT bundles is not implemented");
}

bool same_bytes(const SharedBytes& a, const SharedBytes& b) {
  return a.size() == b.size() && std::equal(a.view().begin(), a.view().end(), b.view().begin());
}

}  // namespace

// What a stream keeps while it is open.
struct WorkloadApi::Opened {
  Opened(std::unique_ptr<Subscription> updates_of_caller, std::string loggable_text)
      : updates(std::move(updates_of_caller)), loggable(std::move(loggable_text)) {}
  std::unique_ptr<Subscription> updates;
  std::string loggable;  // selectors that may be logged; usually none
};

WorkloadApi::WorkloadApi(CallerAttestor& callers, IdentitySource& identities, RateLimiter& limits,
                         const runtime::Clock& clock, Options options, const runtime::Logger& log)
    : callers_(callers),
      identities_(identities),
      limits_(limits),
      clock_(clock),
      options_(std::move(options)),
      log_(log.with_subsystem("endpoints")) {}

void WorkloadApi::add_to(runtime::grpc::ServiceTable& table) {
  table.add(this, {{kFetchX509SvidMethod, MethodKind::kServerStream, &agent::fetch_x509_svid},
                   {kFetchX509BundlesMethod, MethodKind::kServerStream, &agent::fetch_x509_bundles},
                   {kFetchJwtBundlesMethod, MethodKind::kServerStream, &agent::fetch_jwt_bundles},
                   {"/SpiffeWorkloadAPI/FetchWITSVID", MethodKind::kServerStream, &fetch_wit_svid},
                   {"/SpiffeWorkloadAPI/FetchWITBundles", MethodKind::kServerStream, &fetch_wit_bundles}});
}

Task<Result<WorkloadApi::Opened, Status>> WorkloadApi::open(ServerCall& call, CallLog log, FirstSvidTimer& timer) {
  Status header = check_security_header(call.path(), call.metadata());
  if (!header.is_ok()) co_return std::move(header);
  if (!decodes(call.request())) co_return status_text::malformed_stream_request();
  Result<Selectors, Status> selectors = co_await callers_.attest(call, log);
  if (!selectors) co_return std::move(selectors.error());
  timer.passed(FirstSvidStage::kAttest);
  if (!callers_.is_own(call) && !limits_.allow(call.path(), *selectors))
    co_return status_text::rate_limited(call.path());
  std::string loggable = loggable_selectors(*selectors, options_.log_selectors);
  Result<std::unique_ptr<Subscription>> updates =
      co_await identities_.subscribe(std::move(*selectors), call.deadline(), call.stop());
  if (!updates) {
    log.error("Subscribe to cache changes failed", {{"error", updates.error()}});
    co_return status_text::of_wait(updates.error());
  }
  timer.passed(FirstSvidStage::kMatch);
  co_return Opened(std::move(*updates), std::move(loggable));
}

Status WorkloadApi::no_identity(const ServerCall& call, const CallLog& log, const std::string& loggable) const {
  if (!callers_.is_own(call)) log_no_identity(log, loggable);
  return status_text::no_identity_issued();
}

void WorkloadApi::log_fetched(const ServerCall& call, const CallLog& log, const WorkloadUpdate& update) const {
  for (std::uint32_t position : update.ignored_hints()) {
    const RegistrationEntry& entry = update.identities()[position].entry();
    log.warning("Ignoring entry with duplicate hint", {{"hint", entry.hint}, {"entry_id", entry.id}});
  }
  if (!log.enabled(LogLevel::kDebug) || callers_.is_own(call)) return;
  runtime::WallTime now = clock_.wall_now();
  for (std::size_t i = 0; i < update.identities().size(); ++i) {
    if (update.is_ignored(i)) continue;
    const Identity& identity = update.identities()[i];
    double ttl = std::chrono::duration<double>(identity.svid().not_after() - now).count();
    log.debug("Fetched X.509 SVID", {{"count", update.served_count()},
                                     {"registered", true},
                                     {"spiffe_id", identity.entry().spiffe_id.text()},
                                     {"ttl", ttl}});
  }
}

Task<Status> WorkloadApi::fetch_x509_svid(ServerCall& call) {
  CallLog log(log_, call);
  FirstSvidTimer timer(&options_.first_svid_seen);
  Result<Opened, Status> opened = co_await open(call, log, timer);
  if (!opened) co_return std::move(opened.error());
  for (bool first = true;; first = false) {
    // Held for the one turn only: an idle stream keeps no update, and no key, alive. The call's own deadline stops its
    // token, so that an idle stream needs no timer of its own.
    NextUpdate update = co_await opened->updates->next(Deadline::never(), call.stop());
    if (!update) co_return status_text::of_wait(update.error());
    if ((*update)->served_count() == 0) co_return no_identity(call, log, opened->loggable);
    if (first) timer.passed(FirstSvidStage::kSign);
    Result<void> sent = co_await call.send((*update)->x509_svid_response());
    if (first && sent) timer.answered();
    if (!sent) {
      log.error("Failed to send X.509 SVID response", {{"error", sent.error()}});
      co_return status_text::of_wait(sent.error());
    }
    log_fetched(call, log, **update);
  }
}

Task<Status> WorkloadApi::fetch_x509_bundles(ServerCall& call) { return stream_bundles(call, BundleKind::kX509); }
Task<Status> WorkloadApi::fetch_jwt_bundles(ServerCall& call) { return stream_bundles(call, BundleKind::kJwt); }

Task<Status> WorkloadApi::stream_bundles(ServerCall& call, BundleKind kind) {
  CallLog log(log_, call);
  BundlesResponses& responses = kind == BundleKind::kX509 ? x509_bundles_ : jwt_bundles_;
  const std::string_view name = kind == BundleKind::kX509 ? "X509" : "JWT";
  FirstSvidTimer untimed(nullptr);
  Result<Opened, Status> opened = co_await open(call, log, untimed);
  if (!opened) co_return std::move(opened.error());
  SharedBytes previous;
  for (;;) {
    NextUpdate update = co_await opened->updates->next(Deadline::never(), call.stop());
    if (!update) co_return status_text::of_wait(update.error());
    bool entitled = options_.allow_unauthenticated_verifiers || !(*update)->identities().empty();
    if (!entitled) co_return no_identity(call, log, opened->loggable);
    SharedBytes message = responses.encode(**update);
    if (!message) {
      log.error(fmt::format("Could not serialize {} bundle response", name), {{"error", "bundle not available"}});
      co_return status_text::bundle_not_available();
    }
    if (previous && same_bytes(previous, message)) continue;
    previous = message;
    Result<void> sent = co_await call.send(std::move(message));
    if (!sent) {
      log.error(fmt::format("Failed to send {} bundle response", name), {{"error", sent.error()}});
      co_return status_text::of_wait(sent.error());
    }
  }
}

Task<Status> WorkloadApi::probe(Deadline deadline, StopToken stop) {
  Result<Selectors> selectors = co_await callers_.attest_self(deadline, stop);
  if (!selectors) co_return status_text::attestation_failed();
  Result<std::vector<SharedBundle>> bundles = co_await identities_.bundles_of(std::move(*selectors), deadline, stop);
  if (!bundles) co_return status_text::of_wait(bundles.error());
  co_return Status::ok();
}

}  // namespace steeple::agent
