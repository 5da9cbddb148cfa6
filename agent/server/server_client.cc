#include "agent/server/server_client.h"

#include <fmt/format.h>

#include "agent/server/bundle_conversion.h"
#include "agent/server/entry_exchange.h"
#include "agent/server/jwt_svid_answer.h"
#include "agent/server/messages.h"
#include "spire/api/server/agent/v1/agent.pb.h"
#include "spire/api/server/bundle/v1/bundle.pb.h"
#include "spire/api/server/svid/v1/svid.pb.h"

namespace steeple::agent {
namespace {

using runtime::Bytes;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;
using runtime::grpc::CallOptions;
using runtime::grpc::ClientStream;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;
namespace svid_api = spire::api::server::svid::v1;

constexpr const char* kSyncEntries = "/spire.api.server.entry.v1.Entry/SyncAuthorizedEntries";
constexpr const char* kGetEntries = "/spire.api.server.entry.v1.Entry/GetAuthorizedEntries";
constexpr const char* kGetBundle = "/spire.api.server.bundle.v1.Bundle/GetBundle";
constexpr const char* kGetFederatedBundle = "/spire.api.server.bundle.v1.Bundle/GetFederatedBundle";
constexpr const char* kBatchNewX509Svid = "/spire.api.server.svid.v1.SVID/BatchNewX509SVID";
constexpr const char* kNewJwtSvid = "/spire.api.server.svid.v1.SVID/NewJWTSVID";
constexpr const char* kRenewAgent = "/spire.api.server.agent.v1.Agent/RenewAgent";
constexpr const char* kPostStatus = "/spire.api.server.agent.v1.Agent/PostStatus";
constexpr const char* kFetchEntriesContext = "failed to fetch authorized entries";

runtime::LogFields status_fields(const ServerError& error) {
  runtime::LogFields fields;
  fields.emplace_back("error", error.message());
  if (!error.status().is_ok()) {
    fields.emplace_back("status_code", to_string(error.status().code()));
    fields.emplace_back("status_message", error.status().message());
  }
  return fields;
}

Bytes concatenated(const google::protobuf::RepeatedPtrField<std::string>& chain) {
  Bytes bytes;
  for (const std::string& certificate : chain) bytes.insert(bytes.end(), certificate.begin(), certificate.end());
  return bytes;
}

ServerError failed(const char* context, ServerError error) { return std::move(error).with_context(context); }

Error end_of_stream() { return Error(ErrorCode::kClosed, "EOF"); }

}  // namespace

void GrpcServerClient::log_failure(const char* message, const ServerError& error) {
  if (error.error_class() != ServerErrorClass::kCancelled) log_.error(message, status_fields(error));
}

Task<ServerResult<Bytes>> GrpcServerClient::unary(ChannelSlot::Lease& lease, const char* path, Bytes request,
                                                  Deadline deadline, StopToken stop) {
  Result<Bytes, Status> answer = co_await lease.channel().unary(path, std::move(request), CallOptions(deadline, stop));
  if (answer) co_return std::move(*answer);
  co_return classify(answer.error(), lease.channel().last_connect_error());
}

Task<ServerResult<void>> GrpcServerClient::stream_entries(ChannelSlot::Lease& lease, EntryExchange& exchange,
                                                          Deadline deadline, StopToken stop) {
  RpcChannel& channel = lease.channel();
  auto classified = [&](const Status& status) { return classify(status, channel.last_connect_error()); };
  Result<std::unique_ptr<ClientStream>, Status> opened =
      co_await channel.open_stream(kSyncEntries, CallOptions(deadline, stop));
  if (!opened) co_return classified(opened.error());
  ClientStream& stream = **opened;
  Bytes request = EntryExchange::first_request();
  for (EntryExchange::Action action = EntryExchange::Action::kSend; action != EntryExchange::Action::kDone;) {
    if (action == EntryExchange::Action::kSend) {
      Result<void, Status> sent = co_await stream.send(request);
      if (!sent) co_return classified(sent.error());
    }
    Result<std::optional<Bytes>, Status> received = co_await stream.receive();
    if (!received || !*received) {
      ServerError error = received ? ServerError(end_of_stream()) : classified(received.error());
      if (!exchange.first_received()) co_return error;
      co_return std::move(error).with_context("failed to receive entry revision page from server");
    }
    STEEPLE_CO_TRY(next, exchange.on_response(**received));
    action = next;
    if (action == EntryExchange::Action::kSend) request = exchange.next_request();
  }
  co_return ServerResult<void>();
}

Task<ServerResult<void>> GrpcServerClient::get_entries(ChannelSlot::Lease& lease, EntryExchange& exchange,
                                                       Deadline deadline, StopToken stop) {
  STEEPLE_CO_TRY(answer, co_await unary(lease, kGetEntries, EntryExchange::unary_request(), deadline, stop));
  STEEPLE_CO_CHECK(exchange.on_unary_response(answer));
  co_return ServerResult<void>();
}

// False: the server does not have the call.
Task<ServerResult<bool>> GrpcServerClient::sync_or_unimplemented(ChannelSlot::Lease& lease, EntryExchange& exchange,
                                                                 Deadline deadline, StopToken stop) {
  if (!options_.use_sync_authorized_entries || lease.known_no_sync()) co_return false;
  ServerResult<void> streamed = co_await stream_entries(lease, exchange, deadline, stop);
  if (streamed) co_return true;
  if (streamed.error().error_class() != ServerErrorClass::kUnimplemented || exchange.first_received()) {
    co_return std::move(streamed.error());
  }
  log_.info("The server has no SyncAuthorizedEntries; using GetAuthorizedEntries on this connection");
  lease.remember_no_sync();
  co_return false;
}

Task<ServerResult<EntryDiff>> GrpcServerClient::sync_entries(EntrySet& entries, Deadline deadline, StopToken stop) {
  STEEPLE_CO_TRY(shared, co_await lock_.share(deadline, stop));
  ChannelSlot::Lease lease = slot_.acquire();
  EntryExchange exchange(entries, log_);
  ServerResult<void> done;
  ServerResult<bool> synced = co_await sync_or_unimplemented(lease, exchange, deadline, stop);
  if (!synced) {
    done = std::move(synced.error());
  } else if (!*synced) {
    done = co_await get_entries(lease, exchange, deadline, stop);
  }
  if (done) co_return exchange.commit();
  lease.drop();
  if (done.error().error_class() != ServerErrorClass::kCancelled) {
    log_.error("Failed to fetch authorized entries", {{"error", done.error()}});
  }
  co_return failed(kFetchEntriesContext, std::move(done.error()));
}

Task<ServerResult<SharedBundle>> GrpcServerClient::get_bundle(Deadline deadline, StopToken stop) {
  STEEPLE_CO_TRY(shared, co_await lock_.share(deadline, stop));
  ChannelSlot::Lease lease = slot_.acquire();
  ServerResult<Bytes> answer = co_await unary(lease, kGetBundle, Bytes(), deadline, stop);
  if (!answer) {
    lease.drop();
    log_failure("Failed to fetch bundle", answer.error());
    co_return failed("failed to fetch bundle", std::move(answer.error()));
  }
  if (SharedBundle known = bundle_answers_.own(*answer)) co_return known;
  spire::api::types::Bundle message;
  STEEPLE_CO_CHECK(with_context(parse(*answer, message), "failed to fetch bundle"));
  Result<Bundle> bundle = bundle_from_proto(message);
  if (bundle) co_return bundle_answers_.keep_own(std::move(*answer), std::move(*bundle));
  log_.warning("Received malformed bundle from SPIRE server; are the server and agent versions compatible?",
               {{"error", bundle.error()}});
  co_return std::move(bundle.error());
}

Task<ServerResult<SharedBundle>> GrpcServerClient::get_federated_bundle(TrustDomain trust_domain, Deadline deadline,
                                                                        StopToken stop) {
  STEEPLE_CO_TRY(shared, co_await lock_.share(deadline, stop));
  ChannelSlot::Lease lease = slot_.acquire();
  spire::api::server::bundle::v1::GetFederatedBundleRequest request;
  request.set_trust_domain(trust_domain.name());
  ServerResult<Bytes> answer = co_await unary(lease, kGetFederatedBundle, serialize(request), deadline, stop);
  if (!answer) {
    runtime::LogFields fields = status_fields(answer.error());
    fields.emplace_back("federated_bundle", trust_domain.id_string());
    if (answer.error().status().code() == StatusCode::kNotFound) {
      log_.warning("Federated bundle not found", std::move(fields));
      co_return SharedBundle();
    }
    if (answer.error().error_class() != ServerErrorClass::kCancelled) {
      log_.error("Failed to fetch federated bundle", std::move(fields));
    }
    co_return failed("failed to fetch federated bundle", std::move(answer.error()));
  }
  if (SharedBundle known = bundle_answers_.federated(trust_domain, *answer)) co_return known;
  spire::api::types::Bundle message;
  STEEPLE_CO_CHECK(with_context(parse(*answer, message), "failed to fetch federated bundle"));
  Result<Bundle> bundle = bundle_from_proto(message);
  if (bundle && bundle->trust_domain() != trust_domain) {
    bundle = Error(ErrorCode::kMalformed, fmt::format("bundle of trust domain {} received for {}",
                                                      bundle->trust_domain().name(), trust_domain.name()));
  }
  if (bundle) co_return bundle_answers_.keep_federated(std::move(*answer), std::move(*bundle));
  log_.warning("Received malformed bundle from SPIRE server; are the server and agent versions compatible?",
               {{"error", bundle.error()}, {"federated_bundle", trust_domain.id_string()}});
  co_return Error(ErrorCode::kMalformed, bundle.error().message());
}

Task<ServerResult<std::vector<MintedChain>>> GrpcServerClient::batch_new_x509_svid(std::vector<CsrItem> items,
                                                                                   Deadline deadline, StopToken stop) {
  STEEPLE_CO_TRY(shared, co_await lock_.share(deadline, stop));
  ChannelSlot::Lease lease = slot_.acquire();
  svid_api::BatchNewX509SVIDRequest request;
  std::vector<std::string> ids;
  for (CsrItem& item : items) {
    svid_api::NewX509SVIDParams& params = *request.add_params();
    params.set_entry_id(item.entry_id);
    params.set_csr(item.csr.data(), item.csr.size());
    ids.push_back(std::move(item.entry_id));
  }
  ServerResult<Bytes> answer = co_await unary(lease, kBatchNewX509Svid, serialize(request), deadline, stop);
  if (answer) {
    STEEPLE_CO_TRY(chains, with_context(read_minted(*answer, ids), "failed to batch new X509 SVID(s)"));
    co_return std::move(chains);
  }
  lease.drop();
  log_failure("Failed to batch new X509 SVID(s)", answer.error());
  co_return failed("failed to batch new X509 SVID(s)", std::move(answer.error()));
}

Result<std::vector<MintedChain>> GrpcServerClient::read_minted(runtime::BytesView answer,
                                                               const std::vector<std::string>& ids) {
  svid_api::BatchNewX509SVIDResponse response;
  STEEPLE_CHECK(parse(answer, response));
  if (static_cast<std::size_t>(response.results_size()) != ids.size()) {
    return Error(ErrorCode::kMalformed, fmt::format("{} results for {} requests", response.results_size(), ids.size()));
  }
  std::vector<MintedChain> chains;
  chains.reserve(ids.size());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const auto& result = response.results(static_cast<int>(i));
    if (result.status().code() == 0) {
      chains.emplace_back(concatenated(result.svid().cert_chain()));
      continue;
    }
    log_.warning("Failed to mint X509 SVID",
                 {{"entry_id", ids[i]}, {"status", result.status().code()}, {"error", result.status().message()}});
    chains.emplace_back(Status(static_cast<StatusCode>(result.status().code()), result.status().message()));
  }
  return chains;
}

Task<ServerResult<SharedJwtSvid>> GrpcServerClient::new_jwt_svid(std::string entry_id,
                                                                 std::vector<std::string> audience, Deadline deadline,
                                                                 StopToken stop) {
  STEEPLE_CO_TRY(shared, co_await lock_.share(deadline, stop));
  ChannelSlot::Lease lease = slot_.acquire();
  svid_api::NewJWTSVIDRequest request;
  request.set_entry_id(std::move(entry_id));
  for (std::string& name : audience) *request.add_audience() = std::move(name);
  ServerResult<Bytes> answer = co_await unary(lease, kNewJwtSvid, serialize(request), deadline, stop);
  if (!answer) {
    lease.drop();
    log_failure("Failed to fetch JWT SVID", answer.error());
    co_return failed("failed to fetch JWT SVID", std::move(answer.error()));
  }
  Result<SharedJwtSvid> svid = read_jwt_svid_answer(*answer);
  runtime::wipe_memory(answer->data(), answer->size());
  if (!svid) co_return std::move(svid.error());
  co_return std::move(*svid);
}

Task<ServerResult<Bytes>> GrpcServerClient::renew_agent(Bytes csr, Deadline deadline, StopToken stop) {
  ChannelSlot::Lease lease = slot_.acquire();
  spire::api::server::agent::v1::RenewAgentRequest request;
  request.mutable_params()->set_csr(csr.data(), csr.size());
  ServerResult<Bytes> answer = co_await unary(lease, kRenewAgent, serialize(request), deadline, stop);
  if (!answer) {
    lease.drop();
    co_return failed("failed to renew agent", std::move(answer.error()));
  }
  spire::api::server::agent::v1::RenewAgentResponse response;
  STEEPLE_CO_CHECK(with_context(parse(*answer, response), "failed to renew agent"));
  if (response.svid().cert_chain().empty()) {
    co_return ServerError(Error(ErrorCode::kMalformed, "failed to renew agent: response is missing SVID"));
  }
  co_return concatenated(response.svid().cert_chain());
}

Task<ServerResult<void>> GrpcServerClient::post_status(std::string agent_version, Deadline deadline, StopToken stop) {
  STEEPLE_CO_TRY(shared, co_await lock_.share(deadline, stop));
  ChannelSlot::Lease lease = slot_.acquire();
  spire::api::server::agent::v1::PostStatusRequest request;
  request.set_agent_version(agent_version);
  ServerResult<Bytes> answer = co_await unary(lease, kPostStatus, serialize(request), deadline, stop);
  if (answer) co_return ServerResult<void>();
  lease.drop();
  if (answer.error().error_class() != ServerErrorClass::kCancelled) {
    log_.warning("Failed to post agent status", {{"error", answer.error()}});
  }
  co_return failed("failed to post agent status", std::move(answer.error()));
}

GrpcServerClient::GrpcServerClient(runtime::Loop& loop, RpcChannelFactory factory, ServerClientOptions options,
                                   runtime::Logger log)
    : slot_(loop, std::move(factory)), lock_(loop), options_(options), log_(std::move(log)) {}
GrpcServerClient::~GrpcServerClient() = default;

RotationLock& GrpcServerClient::rotation_lock() { return lock_; }
void GrpcServerClient::drop_channel() { slot_.drop(); }
Task<void> GrpcServerClient::close(runtime::StopReason reason) { return slot_.close(reason); }

}  // namespace steeple::agent
