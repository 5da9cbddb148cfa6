// spire.api.server.svid.v1.SVID: batches of X509-SVIDs signed on a worker thread, minting, JWT-SVIDs. Texts:
// server-sync 3.6, 3.7.
#include <fmt/format.h>

#include "deploy/devserver/services/agent_rpcs.h"
#include "deploy/devserver/services/caller_counts.h"
#include "deploy/devserver/services/messages.h"
#include "deploy/devserver/services/rules.h"
#include "runtime/tls/csr.h"
#include "spire/api/server/svid/v1/svid.pb.h"
#include "spire/api/types/entry.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::svid::v1;
namespace types = spire::api::types;
using runtime::Result;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

constexpr int kSvidsOfBatchMax = 500;  // the real server's burst

// One CSR on its way through the worker: everything by value.
struct SigningJob {
  std::string csr;
  SvidRequest request;  // the public key is taken from the CSR
  Status status;
  std::optional<runtime::Certificate> svid;
};

void sign(SigningJob& job, const X509Issuer& issuer, runtime::WallTime now) {
  auto csr = runtime::parse_csr(runtime::as_bytes(job.csr));
  if (!csr) {
    job.status = status_of(StatusCode::kInvalidArgument, "malformed CSR", &csr.error());
  } else if (!csr->signature_valid) {
    job.status = Status(StatusCode::kInvalidArgument, "invalid CSR signature");
  } else {
    job.request.public_key = std::move(csr->public_key);
    auto svid = sign_svid(issuer, job.request, now);
    if (!svid) job.status = status_of(StatusCode::kInternal, "failed to sign X509-SVID", &svid.error());
    if (svid) job.svid = std::move(*svid);
  }
}

EntryPtr find_authorised(const std::vector<EntryPtr>& entries, const std::string& id) {
  auto found = std::lower_bound(entries.begin(), entries.end(), id,
                                [](const EntryPtr& entry, const std::string& wanted) { return entry->id() < wanted; });
  return found != entries.end() && (*found)->id() == id ? *found : nullptr;
}

std::vector<EntryPtr> authorised_entries(ServerContext& context, const Caller& caller) {
  const AgentRecord* agent = context.datastore.agents().find(caller.spiffe_id);
  if (agent == nullptr) return {};
  return context.datastore.entries().index().authorised(caller.spiffe_id, agent->selectors, context.now());
}

SigningJob make_job(ServerContext& context, const std::vector<EntryPtr>& entries, const v1::NewX509SVIDParams& params) {
  SigningJob job;
  EntryPtr entry = find_authorised(entries, params.entry_id());
  if (params.entry_id().empty()) {
    job.status = Status(StatusCode::kInvalidArgument, "missing entry ID");
  } else if (params.csr().empty()) {
    job.status = Status(StatusCode::kInvalidArgument, "missing CSR");
  } else if (entry == nullptr) {
    job.status = Status(StatusCode::kNotFound, "entry not found or not authorized");
  } else {
    job.csr = params.csr();
    job.request.spiffe_id = id_text(entry->spiffe_id());
    job.request.dns_names.assign(entry->dns_names().begin(), entry->dns_names().end());
    job.request.ttl =
        entry->x509_svid_ttl() > 0 ? std::chrono::seconds(entry->x509_svid_ttl()) : context.settings.x509_svid_ttl;
    if (context.settings.faults.unsignable.contains(job.request.spiffe_id)) {
      job.status = Status(StatusCode::kInternal, "failed to sign X509-SVID: refused by the development block");
    }
  }
  return job;
}

runtime::Task<Status> batch_new_x509_svid(ServerContext& context, ServerCall& call, const Caller& caller) {
  v1::BatchNewX509SVIDRequest request;
  if (!decode(request, call.request())) co_return malformed_message();
  if (request.params().empty()) co_return Status(StatusCode::kInvalidArgument, "missing parameters");
  if (request.params_size() > kSvidsOfBatchMax) {
    co_return Status(
        StatusCode::kResourceExhausted,
        fmt::format("rejecting request due to certificate signing rate limiting: rate ({}) exceeds burst size ({})",
                    request.params_size(), kSvidsOfBatchMax));
  }
  std::vector<EntryPtr> entries = authorised_entries(context, caller);
  std::vector<SigningJob> jobs;
  for (const auto& params : request.params()) jobs.push_back(make_job(context, entries, params));
  X509Issuer issuer = context.authorities.x509();
  runtime::WallTime now = context.clock.wall_now();
  jobs = co_await context.workers.run([jobs = std::move(jobs), issuer, now]() mutable {
    for (SigningJob& job : jobs) {
      if (job.status.is_ok()) sign(job, issuer, now);
    }
    return std::move(jobs);
  });
  v1::BatchNewX509SVIDResponse response;
  std::size_t signed_svids = 0;
  for (const SigningJob& job : jobs) {
    auto* result = response.add_results();
    set_status(*result->mutable_status(), job.status);
    if (!job.svid) continue;
    ++signed_svids;
    if (auto id = agent::SpiffeId::parse(job.request.spiffe_id)) set_svid(*result->mutable_svid(), *id, *job.svid);
  }
  context.callers->signed_x509_svids(caller.spiffe_id, signed_svids);
  co_return co_await send(call, encode(response));
}

Answer<v1::MintX509SVIDResponse> mint_x509_svid(ServerContext& context, const Caller&,
                                                const v1::MintX509SVIDRequest& request) {
  auto refused = [](std::string text) { return Status(StatusCode::kInvalidArgument, std::move(text)); };
  if (request.csr().empty()) return refused("missing CSR");
  auto csr = runtime::parse_csr(runtime::as_bytes(request.csr()));
  if (!csr) return status_of(StatusCode::kInvalidArgument, "malformed CSR", &csr.error());
  if (!csr->signature_valid) return refused("failed to verify CSR signature");
  if (csr->uri_sans.empty()) return refused("CSR URI SAN is required");
  if (csr->uri_sans.size() > 1) return refused("only one URI SAN is expected");
  auto id = agent::SpiffeId::parse(csr->uri_sans.front());
  if (!id) return status_of(StatusCode::kInvalidArgument, "CSR URI SAN is invalid", &id.error());
  if (auto ok = check_role(context.settings.trust_domain, *id, IdRole::kWorkload); !ok) {
    return status_of(StatusCode::kInvalidArgument, "CSR URI SAN is invalid", &ok.error());
  }
  for (const std::string& name : csr->dns_sans) {
    auto ok = check_dns_name(name);
    if (!ok) return status_of(StatusCode::kInvalidArgument, "CSR DNS name is invalid", &ok.error());
  }
  SvidRequest wanted;
  wanted.spiffe_id = id->text();
  wanted.public_key = std::move(csr->public_key);
  wanted.dns_names = std::move(csr->dns_sans);
  wanted.ttl = request.ttl() > 0 ? std::chrono::seconds(request.ttl()) : context.settings.x509_svid_ttl;
  auto svid = sign_svid(context.authorities.x509(), wanted, context.clock.wall_now());
  if (!svid) return status_of(StatusCode::kInternal, "failed to sign X509-SVID", &svid.error());
  v1::MintX509SVIDResponse response;
  set_svid(*response.mutable_svid(), *id, *svid);
  return response;
}

Answer<types::JWTSVID> mint_jwt(ServerContext& context, const types::SPIFFEID* spiffe_id,
                                const google::protobuf::RepeatedPtrField<std::string>& audience, std::int64_t ttl,
                                bool with_jti) {
  auto id = id_in_role(context.settings.trust_domain, spiffe_id, IdRole::kWorkload);
  if (!id) return status_of(StatusCode::kInvalidArgument, "invalid SPIFFE ID", &id.error());
  JwtRequest wanted;
  for (const std::string& name : audience) {
    if (!name.empty()) wanted.audience.push_back(name);
  }
  if (audience.empty()) return Status(StatusCode::kInvalidArgument, "at least one audience is required");
  if (wanted.audience.empty()) {
    return Status(StatusCode::kInternal, "failed to sign JWT-SVID: invalid JWT-SVID audience: cannot be empty");
  }
  const JwtIssuer& issuer = context.authorities.jwt();
  wanted.spiffe_id = id->text();
  wanted.issued_at = context.now();
  wanted.expires_at =
      std::min(wanted.issued_at + (ttl > 0 ? ttl : context.settings.jwt_svid_ttl.count()), issuer.expires_at);
  wanted.with_jti = with_jti;
  auto token = sign_jwt(issuer.key, issuer.key_id, wanted);
  if (!token) return status_of(StatusCode::kInternal, "failed to sign JWT-SVID", &token.error());
  types::JWTSVID svid;
  svid.set_token(std::move(*token));
  set_id(*svid.mutable_id(), *id);
  svid.set_issued_at(wanted.issued_at);
  svid.set_expires_at(wanted.expires_at);
  return svid;
}

Answer<v1::NewJWTSVIDResponse> new_jwt_svid(ServerContext& context, const Caller& caller,
                                            const v1::NewJWTSVIDRequest& request) {
  EntryPtr entry = find_authorised(authorised_entries(context, caller), request.entry_id());
  if (entry == nullptr) return Status(StatusCode::kNotFound, "entry not found or not authorized");
  auto svid = mint_jwt(context, &entry->spiffe_id(), request.audience(), entry->jwt_svid_ttl(),
                       entry->additional_attributes().jwt_svid_include_jti());
  if (!svid) return std::move(svid.error());
  v1::NewJWTSVIDResponse response;
  *response.mutable_svid() = std::move(*svid);
  return response;
}

Answer<v1::MintJWTSVIDResponse> mint_jwt_svid(ServerContext& context, const Caller&,
                                              const v1::MintJWTSVIDRequest& request) {
  auto svid = mint_jwt(context, request.has_id() ? &request.id() : nullptr, request.audience(), request.ttl(), false);
  if (!svid) return std::move(svid.error());
  v1::MintJWTSVIDResponse response;
  *response.mutable_svid() = std::move(*svid);
  return response;
}

#define STEEPLE_SVID_RPC(name) "/spire.api.server.svid.v1.SVID/" name
constexpr Rpc kRpcs[] = {
    {STEEPLE_SVID_RPC("BatchNewX509SVID"), MethodKind::kUnary, kAgent, &batch_new_x509_svid},
    {STEEPLE_SVID_RPC("NewJWTSVID"), MethodKind::kUnary, kAgent, &unary<v1::NewJWTSVIDRequest, new_jwt_svid>},
    {STEEPLE_SVID_RPC("MintX509SVID"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::MintX509SVIDRequest, mint_x509_svid>},
    {STEEPLE_SVID_RPC("MintJWTSVID"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::MintJWTSVIDRequest, mint_jwt_svid>},
};

}  // namespace

void add_svid_service(RpcTable& table) { table.add(kRpcs); }

}  // namespace steeple::devserver
