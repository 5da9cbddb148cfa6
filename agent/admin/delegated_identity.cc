#include "agent/admin/delegated_identity.h"

#include <algorithm>
#include <string_view>

#include "agent/admin/unary_answer.h"
#include "agent/endpoints/status_text.h"
#include "attestation/workload/engine.h"
#include "spire/api/agent/delegatedidentity/v1/delegatedidentity.pb.h"

namespace steeple::agent {

using attestation::Selectors;
using runtime::Deadline;
using runtime::Result;
using runtime::SharedBytes;
using runtime::Task;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;
using spire::api::agent::delegatedidentity::v1::FetchJWTSVIDsRequest;
using spire::api::agent::delegatedidentity::v1::SubscribeToX509BundlesRequest;
using spire::api::agent::delegatedidentity::v1::SubscribeToX509SVIDsRequest;
using RequestedSelectors = google::protobuf::RepeatedPtrField<spire::api::types::Selector>;

namespace {

using Entries = std::vector<SharedEntry>;

DelegatedIdentityService& self(void* service) { return *static_cast<DelegatedIdentityService*>(service); }
Task<Status> x509_svids(void* service, ServerCall& call) { return self(service).subscribe_to_x509_svids(call); }
Task<Status> x509_bundles(void* service, ServerCall& call) { return self(service).subscribe_to_x509_bundles(call); }
Task<Status> jwt_svids(void* service, ServerCall& call) { return self(service).fetch_jwt_svids(call); }
Task<Status> jwt_bundles(void* service, ServerCall& call) { return self(service).subscribe_to_jwt_bundles(call); }

Result<Selectors> parse_selectors(const RequestedSelectors& requested) {
  constexpr auto kInvalid = runtime::ErrorCode::kInvalidArgument;
  std::vector<attestation::Selector> selectors;
  for (const auto& one : requested) {
    if (one.type().empty()) return runtime::Error(kInvalid, "missing selector type");
    if (one.type().find(':') != std::string::npos) return runtime::Error(kInvalid, "selector type contains ':'");
    if (one.value().empty()) return runtime::Error(kInvalid, "missing selector value");
    selectors.emplace_back(one.type(), one.value());
  }
  return Selectors(std::move(selectors));
}

double seconds_left(runtime::WallTime expiry, const runtime::Clock& clock) {
  return std::chrono::duration<double>(expiry - clock.wall_now()).count();
}

void log_selectors(const CallLog& log, const Selectors& caller, const Selectors& target) {
  if (!log.enabled(runtime::LogLevel::kDebug)) return;
  log.debug("Subscribing to cache changes", {{"delegate_selectors", attestation::render_selectors(caller)},
                                             {"request_selectors", attestation::render_selectors(target)}});
}

}  // namespace

DelegatedIdentityService::DelegatedIdentityService(CallerAttestor& callers, IdentitySource& identities,
                                                   JwtSource& tokens, BundleFeed& bundles,
                                                   std::vector<std::string> delegates, const runtime::Clock& clock,
                                                   const runtime::Logger& log)
    : callers_(callers),
      identities_(identities),
      tokens_(tokens),
      bundles_(bundles),
      delegates_(std::move(delegates)),
      clock_(clock),
      log_(log) {
  std::sort(delegates_.begin(), delegates_.end());
}

void DelegatedIdentityService::add_to(runtime::grpc::ServiceTable& table) {
  table.add(this,
            {{"/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509SVIDs", MethodKind::kServerStream,
              &x509_svids},
             {"/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToX509Bundles",
              MethodKind::kServerStream, &x509_bundles},
             {"/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/FetchJWTSVIDs", MethodKind::kUnary, &jwt_svids},
             {"/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/SubscribeToJWTBundles",
              MethodKind::kServerStream, &jwt_bundles}});
}

Task<DelegatedIdentityService::SelectorsOrStatus> DelegatedIdentityService::authorize(ServerCall& call, CallLog log) {
  SelectorsOrStatus caller = co_await callers_.attest(call, log);
  if (!caller) co_return std::move(caller.error());
  Status checked = co_await check_delegate(*caller, call, log);
  if (!checked.is_ok()) co_return std::move(checked);
  co_return std::move(*caller);
}

Task<Status> DelegatedIdentityService::check_delegate(const Selectors& caller, ServerCall& call, CallLog log) {
  Result<Entries> entries = co_await identities_.matching_entries(caller, call.deadline(), call.stop());
  if (!entries) co_return status_text::of_wait(entries.error());
  const auto of_caller = [&] { return runtime::LogField("delegate_selectors", attestation::render_selectors(caller)); };
  if (entries->empty()) {
    log.error("No identity issued", {of_caller()});
    co_return status_text::no_identity_issued();
  }
  for (const SharedEntry& entry : *entries) {
    const std::string& id = entry->spiffe_id.text();
    if (!std::binary_search(delegates_.begin(), delegates_.end(), id)) continue;
    if (log.enabled(runtime::LogLevel::kDebug))
      log.debug("Caller authorized as delegate", {{"delegate_id", id}, of_caller()});
    co_return Status::ok();
  }
  log.error(
      "Permission denied; caller not configured as an authorized delegate.",
      {{"default_id", entries->front()->spiffe_id.text()}, {"num_registered_entries", entries->size()}, of_caller()});
  co_return Status(StatusCode::kPermissionDenied, "caller not configured as an authorized delegate");
}

template <class Request>
Task<DelegatedIdentityService::SelectorsOrStatus> DelegatedIdentityService::target(const Request& request,
                                                                                   ServerCall& call, CallLog log) {
  if (request.selectors().empty() == (request.pid() == 0)) {
    constexpr std::string_view kText = "must provide either selectors or non-zero PID, but not both";
    log.error("Invalid argument; must provide either selectors or non-zero PID, but not both");
    co_return Status(StatusCode::kInvalidArgument, std::string(kText));
  }
  if (request.pid() != 0) co_return co_await callers_.attest_process(request.pid(), call, log);
  Result<Selectors> selectors = parse_selectors(request.selectors());
  if (selectors) co_return std::move(*selectors);
  log.error("Invalid argument; could not parse provided selectors", {{"error", selectors.error()}});
  co_return Status(StatusCode::kInvalidArgument, "could not parse provided selectors");
}

Task<Status> DelegatedIdentityService::subscribe_to_x509_svids(ServerCall& call) {
  CallLog log(log_, call);
  const runtime::SteadyTime began = clock_.now();
  SubscribeToX509SVIDsRequest request;
  if (!parse_request(call, request)) co_return status_text::malformed_stream_request();
  SelectorsOrStatus caller = co_await authorize(call, log);
  if (!caller) co_return std::move(caller.error());
  SelectorsOrStatus selectors = co_await target(request, call, log);
  if (!selectors) co_return std::move(selectors.error());
  log_selectors(log, *caller, *selectors);
  Result<std::unique_ptr<Subscription>> updates =
      co_await identities_.subscribe(std::move(*selectors), call.deadline(), call.stop());
  if (!updates) {
    log.error("Subscribe to cache changes failed", {{"error", updates.error()}});
    co_return status_text::of_wait(updates.error());
  }
  for (bool first = true;;) {
    auto update = co_await (*updates)->next(Deadline::never(), call.stop());
    if (!update) co_return status_text::of_wait(update.error());
    if (first && !(*update)->identities().empty()) {
      if (first_update_) first_update_(clock_.now() - began);
      first = false;
    }
    Status checked = co_await check_delegate(*caller, call, log);
    if (!checked.is_ok()) co_return checked;
    Status sent = co_await send_x509_svids(**update, call, log);
    if (!sent.is_ok()) co_return sent;
  }
}

Task<Status> DelegatedIdentityService::send_x509_svids(const WorkloadUpdate& update, ServerCall& call, CallLog log) {
  Result<SharedBytes> message = delegated::x509_svids(update);
  if (!message) {
    log.error("Could not serialize X.509 SVID response", {{"error", message.error()}});
    co_return Status(StatusCode::kInternal, "could not serialize response");
  }
  Result<void> sent = co_await call.send(std::move(*message));
  if (!sent) {
    log.error("Failed to send X.509 SVID response", {{"error", sent.error()}});
    co_return status_text::of_wait(sent.error());
  }
  if (!log.enabled(runtime::LogLevel::kDebug)) co_return Status::ok();
  const auto all = update.identities();
  const auto count =
      std::count_if(all.begin(), all.end(), [](const Identity& one) { return !delegated::is_withheld(one.entry()); });
  for (const Identity& identity : all) {
    if (delegated::is_withheld(identity.entry())) continue;
    log.debug("Fetched X.509 SVID for delegated identity",
              {{"count", count},
               {"spiffe_id", identity.entry().spiffe_id.text()},
               {"ttl", seconds_left(identity.svid().not_after(), clock_)}});
  }
  co_return Status::ok();
}

Task<Status> DelegatedIdentityService::fetch_jwt_svids(ServerCall& call) {
  CallLog log(log_, call);
  FetchJWTSVIDsRequest request;
  if (!parse_request(call, request)) co_return status_text::malformed_unary_request();
  if (request.audience().empty()) {
    log.error("Missing required audience parameter");
    co_return status_text::missing_audience();
  }
  SelectorsOrStatus caller = co_await authorize(call, log);
  if (!caller) co_return std::move(caller.error());
  SelectorsOrStatus selectors = co_await target(request, call, log);
  if (!selectors) co_return std::move(selectors.error());
  IssuedOrStatus issued = co_await issue(
      std::move(*selectors), std::vector<std::string>(request.audience().begin(), request.audience().end()), call, log);
  if (!issued) co_return std::move(issued.error());
  Result<void> sent = co_await call.send(delegated::jwt_svids(*issued));
  if (!sent) co_return status_text::of_wait(sent.error());
  co_return Status::ok();
}

Task<DelegatedIdentityService::IssuedOrStatus> DelegatedIdentityService::issue(Selectors selectors,
                                                                               std::vector<std::string> audience,
                                                                               ServerCall& call, CallLog log) {
  Result<Entries> entries = co_await identities_.matching_entries(std::move(selectors), call.deadline(), call.stop());
  if (!entries) co_return status_text::of_wait(entries.error());
  std::vector<delegated::IssuedJwt> issued;
  for (const SharedEntry& entry : *entries) {
    if (delegated::is_withheld(*entry)) continue;
    const std::string& id = entry->spiffe_id.text();
    Result<SharedJwtSvid> svid = co_await tokens_.fetch(entry, audience, call.deadline(), call.stop());
    if (!svid) {
      log.error("Could not fetch JWT-SVID", {{"error", svid.error()}, {"spiffe_id", id}});
      co_return status_text::jwt_svid_not_fetched(svid.error());
    }
    log.debug("Fetched JWT SVID", {{"spiffe_id", id}, {"ttl", seconds_left((*svid)->expires_at(), clock_)}});
    issued.push_back({entry, std::move(*svid)});
  }
  if (!issued.empty()) co_return std::move(issued);
  log.error("No identity issued");
  co_return status_text::no_identity_issued();
}

Task<Status> DelegatedIdentityService::subscribe_to_x509_bundles(ServerCall& call) {
  return stream_bundles(call, &delegated::x509_bundles);
}
Task<Status> DelegatedIdentityService::subscribe_to_jwt_bundles(ServerCall& call) {
  return stream_bundles(call, &delegated::jwt_bundles);
}

// A trust domain that is gone stays in the messages of a stream, as it was last known.
Task<Status> DelegatedIdentityService::stream_bundles(ServerCall& call, EncodeBundles encode) {
  CallLog log(log_, call);
  SubscribeToX509BundlesRequest no_fields;
  if (!parse_request(call, no_fields)) co_return status_text::malformed_stream_request();
  SelectorsOrStatus caller = co_await authorize(call, log);
  if (!caller) co_return std::move(caller.error());
  BundleFeed::Follower follower(bundles_);
  delegated::Bundles told;
  for (bool first = true;; first = false) {
    Result<BundleSet> bundles = co_await follower.next(call.stop());
    if (!bundles) co_return status_text::of_wait(bundles.error());
    if (!first) {
      Status checked = co_await check_delegate(*caller, call, log);
      if (!checked.is_ok()) co_return checked;
    }
    if (const SharedBundle& own = bundles->own()) told[own->trust_domain()] = own;
    for (const auto& [trust_domain, bundle] : bundles->federated()) told[trust_domain] = bundle;
    Result<void> sent = co_await call.send(encode(told));
    if (!sent) co_return status_text::of_wait(sent.error());
  }
}

}  // namespace steeple::agent
