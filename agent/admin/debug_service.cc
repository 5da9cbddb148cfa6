#include "agent/admin/debug_service.h"

#include <algorithm>

#include "agent/admin/unary_answer.h"
#include "agent/endpoints/call_log.h"
#include "agent/spiffe/x509_svid.h"
#include "spire/agent/debug/v1/debug.pb.h"

namespace steeple::agent {

using runtime::Certificate;
using runtime::Certificates;
using runtime::Result;
using runtime::SharedBytes;
using runtime::Task;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;
using spire::agent::debug::v1::GetInfoRequest;
using spire::agent::debug::v1::GetInfoResponse;

namespace {

Task<Status> get_info(void* service, ServerCall& call) { return static_cast<DebugService*>(service)->get_info(call); }

std::int64_t unix_seconds(runtime::WallTime time) {
  return std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count();
}

// From the leaf up to and including the root.
Result<Certificates> verified_chain(const DebugFacts& facts, runtime::WallTime now) {
  if (facts.svid.empty()) return runtime::Error(runtime::ErrorCode::kNotFound, "x509svid: empty certificates chain");
  Certificates chain = facts.svid;
  const Certificates intermediates(chain.begin() + 1, chain.end());
  auto verified = runtime::verify_chain(chain.front(), intermediates, facts.authorities, now);
  if (!verified) return std::move(verified.error()).with_context("x509svid: could not verify leaf certificate");
  const Certificate& top = chain.back();
  const auto& roots = facts.authorities;
  if (std::find(roots.begin(), roots.end(), top) != roots.end()) return chain;
  auto root = std::find_if(roots.begin(), roots.end(),
                           [&](const Certificate& authority) { return runtime::is_signed_by(top, authority); });
  if (root != roots.end()) chain.push_back(*root);
  return chain;
}

// Go prints three attributes in capitals that OpenSSL does not.
std::string go_subject(const std::string& subject) {
  constexpr std::pair<std::string_view, std::string_view> kNames[] = {
      {"serialNumber=", "SERIALNUMBER="}, {"street=", "STREET="}, {"postalCode=", "POSTALCODE="}};
  std::string text = subject;
  for (const auto& [ours, gos] : kNames) {
    for (std::size_t at = 0; (at = text.find(ours, at)) != std::string::npos; at += ours.size()) {
      const bool starts = at == 0 || ((text[at - 1] == ',' || text[at - 1] == '+') && (at < 2 || text[at - 2] != '\\'));
      if (starts) text.replace(at, ours.size(), gos);
    }
  }
  return text;
}

void add_certificate(const Certificate& certificate, GetInfoResponse& response) {
  auto* described = response.add_svid_chain();
  if (auto id = spiffe_id_of(certificate)) {
    described->mutable_id()->set_trust_domain(std::string(id->trust_domain_name()));
    described->mutable_id()->set_path(std::string(id->path()));
  }
  described->set_expires_at(unix_seconds(certificate.not_after()));
  described->set_subject(go_subject(certificate.subject()));
}

}  // namespace

DebugService::DebugService(const runtime::Clock& clock, std::function<DebugFacts()> facts, const runtime::Logger& log)
    : clock_(clock), facts_(std::move(facts)), log_(log.with_subsystem("debug_api")), started_(clock.now()) {}

void DebugService::add_to(runtime::grpc::ServiceTable& table) {
  table.add(this, {{"/spire.agent.debug.v1.Debug/GetInfo", MethodKind::kUnary, &agent::get_info}});
}

Result<SharedBytes> DebugService::make_answer() const {
  const DebugFacts facts = facts_();
  STEEPLE_TRY(chain, verified_chain(facts, clock_.wall_now()));
  GetInfoResponse response;
  for (const Certificate& certificate : chain) add_certificate(certificate, response);
  const auto up = std::chrono::floor<std::chrono::seconds>(clock_.now() - started_);
  response.set_uptime(static_cast<std::int32_t>(up.count()));
  response.set_svids_count(static_cast<std::int32_t>(facts.x509_svids));
  response.set_cached_x509_svids_count(static_cast<std::int32_t>(facts.x509_svids));
  response.set_cached_jwt_svids_count(static_cast<std::int32_t>(facts.jwt_svids));
  if (facts.last_sync) response.set_last_sync_success(unix_seconds(*facts.last_sync));
  const std::string encoded = response.SerializeAsString();
  return runtime::grpc::make_message(runtime::as_bytes(encoded));
}

Task<Status> DebugService::get_info(ServerCall& call) {
  GetInfoRequest request;
  if (!parse_request(call, request)) co_return status_text::malformed_unary_request();
  if (!kept_ || clock_.now() >= kept_until_) {
    Result<SharedBytes> made = make_answer();
    if (!made) {
      CallLog(log_, call).error("Failed to verify agent SVID", {{"error", made.error()}});
      co_return Status(StatusCode::kInternal, "failed to verify agent SVID: " + made.error().message());
    }
    kept_ = std::move(*made);
    kept_until_ = clock_.now() + kDebugInfoKept;
  }
  Result<void> sent = co_await call.send(kept_);
  if (!sent) co_return status_text::of_wait(sent.error());
  co_return Status::ok();
}

}  // namespace steeple::agent
