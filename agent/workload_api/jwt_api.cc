#include "agent/workload_api/jwt_api.h"

#include <algorithm>

#include "agent/cache/message_writer.h"
#include "agent/cache/workload_update.h"
#include "agent/endpoints/security_header.h"
#include "agent/endpoints/status_text.h"
#include "agent/workload_api/jwt_claims.h"
#include "spiffe/workload/workload.pb.h"

namespace steeple::agent {

using attestation::Selectors;
using runtime::LogLevel;
using runtime::Result;
using runtime::SharedBytes;
using runtime::Task;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;

namespace {

// Field numbers of JWTSVIDResponse and JWTSVID (endpoints 8.2).
enum ResponseField : std::uint32_t { kSvids = 1 };
enum SvidField : std::uint32_t { kSpiffeId = 1, kToken = 2, kHint = 3 };

JwtApi& api_of(void* service) { return *static_cast<JwtApi*>(service); }

Task<Status> fetch_jwt_svid(void* service, ServerCall& call) { return api_of(service).fetch_jwt_svid(call); }
Task<Status> validate_jwt_svid(void* service, ServerCall& call) { return api_of(service).validate_jwt_svid(call); }

// A unary request is decoded before anything else is looked at (endpoints 1.3).
template <class Request>
Status open(const ServerCall& call, Request& request) {
  runtime::BytesView bytes = call.request();
  if (!request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return status_text::malformed_unary_request();
  }
  return check_security_header(call.path(), call.metadata());
}

Status check_request(const JWTSVIDRequest& request, const CallLog& log) {
  if (request.audience().empty()) {
    log.error("Missing required audience parameter");
    return status_text::missing_audience();
  }
  if (request.spiffe_id().empty()) return Status::ok();
  Result<SpiffeId> id = SpiffeId::parse(request.spiffe_id());
  if (id) return Status::ok();
  log.error("Invalid requested SPIFFE ID", {{"error", id.error()}, {"spiffe_id", request.spiffe_id()}});
  return status_text::invalid_requested_id(id.error());
}

}  // namespace

std::size_t JwtApi::encoded_size(const Issued& issued) {
  return field_size(issued.entry->spiffe_id.text().size()) + field_size(issued.svid->token().size()) +
         optional_field_size(issued.entry->hint.size());
}

JwtApi::JwtApi(CallerAttestor& callers, IdentitySource& identities, JwtSource& tokens, RateLimiter& limits,
               const runtime::Clock& clock, Options options, const runtime::Logger& log)
    : callers_(callers),
      identities_(identities),
      tokens_(tokens),
      limits_(limits),
      clock_(clock),
      options_(std::move(options)),
      log_(log.with_subsystem("endpoints")) {}

void JwtApi::add_to(runtime::grpc::ServiceTable& table) {
  table.add(this, {{kFetchJwtSvidMethod, MethodKind::kUnary, &agent::fetch_jwt_svid},
                   {kValidateJwtSvidMethod, MethodKind::kUnary, &agent::validate_jwt_svid}});
}

// The caller's entries, after the hint filter and then by the wanted SPIFFE ID, if any.
Task<Result<JwtApi::Entries, Status>> JwtApi::entitled(ServerCall& call, CallLog log, const std::string& wanted_id) {
  Result<Selectors, Status> selectors = co_await callers_.attest(call, log);
  if (!selectors) co_return std::move(selectors.error());
  if (!callers_.is_own(call) && !limits_.allow(call.path(), *selectors)) {
    co_return status_text::rate_limited(call.path());
  }
  const std::string loggable = loggable_selectors(*selectors, options_.log_selectors);
  Result<Entries> found = co_await identities_.matching_entries(std::move(*selectors), call.deadline(), call.stop());
  if (!found) co_return status_text::of_wait(found.error());
  const std::vector<std::uint32_t> ignored = positions_with_lost_hints(*found);
  Entries entries;
  for (std::uint32_t i = 0; i < found->size(); ++i) {
    const SharedEntry& entry = (*found)[i];
    if (std::binary_search(ignored.begin(), ignored.end(), i)) {
      log.warning("Ignoring entry with duplicate hint",
                  {{"registered", true}, {"entry_id", entry->id}, {"hint", entry->hint}});
    } else if (wanted_id.empty() || entry->spiffe_id.text() == wanted_id) {
      entries.push_back(entry);
    }
  }
  if (!entries.empty()) co_return entries;
  log_no_identity(log, loggable);
  co_return status_text::no_identity_issued();
}

Task<Status> JwtApi::fetch_jwt_svid(ServerCall& call) {
  CallLog log(log_, call);
  JWTSVIDRequest request;
  if (Status opened = open(call, request); !opened.is_ok()) co_return opened;
  if (Status checked = check_request(request, log); !checked.is_ok()) co_return checked;
  Result<Entries, Status> entries = co_await entitled(call, log, request.spiffe_id());
  if (!entries) co_return std::move(entries.error());
  const std::vector<std::string> audience(request.audience().begin(), request.audience().end());
  std::vector<Issued> issued;
  for (const SharedEntry& entry : *entries) {
    Result<SharedJwtSvid> svid = co_await tokens_.fetch(entry, audience, call.deadline(), call.stop());
    const std::string& id = entry->spiffe_id.text();
    if (!svid) {
      log.error("Could not fetch JWT-SVID", {{"error", svid.error()}, {"registered", true}, {"spiffe_id", id}});
      co_return status_text::jwt_svid_not_fetched(svid.error());
    }
    if (log.enabled(LogLevel::kDebug)) {
      double ttl = std::chrono::duration<double>((*svid)->expires_at() - clock_.wall_now()).count();
      log.debug("Fetched JWT SVID", {{"registered", true}, {"spiffe_id", id}, {"ttl", ttl}});
    }
    issued.push_back({entry, std::move(*svid)});
  }
  Result<void> sent = co_await call.send(encode(issued));
  if (!sent) co_return status_text::of_wait(sent.error());
  co_return Status::ok();
}

SharedBytes JwtApi::encode(const std::vector<Issued>& issued) {
  std::size_t size = 0;
  for (const Issued& one : issued) size += field_size(encoded_size(one));
  MessageWriter writer(size);
  for (const Issued& one : issued) {
    writer.header(kSvids, encoded_size(one));
    writer.bytes(kSpiffeId, runtime::as_bytes(one.entry->spiffe_id.text()));
    writer.bytes(kToken, runtime::as_bytes(one.svid->token()));
    writer.optional_bytes(kHint, runtime::as_bytes(one.entry->hint));
  }
  return writer.take_secret();
}

Task<Status> JwtApi::validate_jwt_svid(ServerCall& call) {
  CallLog log(log_, call);
  ValidateJWTSVIDRequest request;
  if (Status opened = open(call, request); !opened.is_ok()) co_return opened;
  if (request.audience().empty()) {
    log.error("Missing required audience parameter");
    co_return status_text::missing_audience();
  }
  if (request.svid().empty()) {
    log.error("Missing required svid parameter");
    co_return status_text::missing_svid();
  }
  Result<Selectors, Status> selectors = co_await callers_.attest(call, log);
  if (!selectors) co_return std::move(selectors.error());
  Result<std::vector<SharedBundle>> bundles =
      co_await identities_.bundles_of(std::move(*selectors), call.deadline(), call.stop());
  if (!bundles) co_return status_text::of_wait(bundles.error());
  Result<VerifiedJwt> verified = verify_jwt_svid(request.svid(), request.audience(), *bundles, clock_.wall_now());
  if (!verified) {
    log.warning("Failed to validate JWT", {{"audience", request.audience()}, {"error", verified.error()}});
    co_return status_text::invalid_jwt_svid(verified.error());
  }
  log.debug("Successfully validated JWT",
            {{"audience", request.audience()}, {"spiffe_id", verified->spiffe_id.text()}});
  if (!verified->spiffe_id.member_of(options_.trust_domain)) {
    keep_claims(verified->claims, options_.allowed_foreign_claims);
  }
  ValidateJWTSVIDResponse response;
  response.set_spiffe_id(verified->spiffe_id.text());
  to_struct(verified->claims, *response.mutable_claims());
  Result<void> sent = co_await call.send(runtime::grpc::make_message(runtime::as_bytes(response.SerializeAsString())));
  if (!sent) co_return status_text::of_wait(sent.error());
  co_return Status::ok();
}

}  // namespace steeple::agent
