// A SPIRE Server at the level of messages: a CA, AttestAgent and GetBundle on a fake channel, RenewAgent on a fake
// client. It speaks the real protobuf messages; what it answers is set by the test. No time passes in it.
#pragma once

#include <deque>
#include <memory>
#include <string>

#include "agent/server/server_client.h"
#include "google/rpc/status.pb.h"
#include "runtime/core/clock.h"
#include "runtime/tls/csr.h"
#include "runtime/tls/x509.h"
#include "spire/api/server/agent/v1/agent.pb.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/status.pb.h"

namespace steeple::agent {

using DenialReason = spire::api::types::PermissionDeniedDetails::Reason;

// PERMISSION_DENIED as the server's authorization layer sends it, with its detail.
inline runtime::grpc::Status denial(const std::string& message, DenialReason reason) {
  spire::api::types::PermissionDeniedDetails details;
  details.set_reason(reason);
  google::rpc::Status status;
  status.set_code(7);
  status.set_message(message);
  auto* any = status.add_details();
  any->set_type_url("type.googleapis.com/spire.api.types.PermissionDeniedDetails");
  any->set_value(details.SerializeAsString());
  return {runtime::grpc::StatusCode::kPermissionDenied, message, status.SerializeAsString()};
}

class FakeSpireServer {
 public:
  explicit FakeSpireServer(const runtime::Clock& server_clock) : clock(server_clock), authority_key(make_key()) {
    rotate_authority();
  }

  const runtime::Clock& clock;
  runtime::PrivateKey authority_key;
  runtime::Certificates authorities;  // the newest last; it signs

  // What it answers.
  std::string agent_path = "/spire/agent/x509pop/0123456789012345678901234567890123456789";
  bool reattestable = true;
  std::chrono::seconds ttl{3600};
  int challenges = 0;
  bool signs_another_key = false;
  std::deque<runtime::grpc::Status> attest_refusals;  // one for each next call
  std::deque<runtime::grpc::Status> bundle_refusals;
  std::deque<runtime::grpc::Status> renew_refusals;
  std::deque<runtime::Error> connect_failures;

  // What it saw.
  int attestations = 0;
  int bundles_fetched = 0;
  int renewals = 0;
  std::string payload_seen;
  std::vector<std::string> answers_seen;

  static runtime::PrivateKey make_key() { return runtime::PrivateKey::generate(runtime::KeyType::kEcP256).value(); }

  void rotate_authority() {
    authority_key = make_key();
    runtime::CertificateTemplate wanted = basics();
    wanted.subject = {{runtime::NameAttribute::Type::kOrganization, "authority " + std::to_string(authorities.size())}};
    wanted.not_after = clock.wall_now() + std::chrono::hours(24 * 365);
    wanted.uri_sans = {"spiffe://example.org"};
    wanted.is_ca = true;
    wanted.key_usage = runtime::kKeyCertSign | runtime::kCrlSign;
    wanted.public_key = authority_key.public_key();
    authorities.push_back(runtime::sign_certificate(wanted, authority_key, nullptr).value());
  }

  std::string sign(runtime::BytesView csr) const {
    runtime::CertificateTemplate wanted = basics();
    wanted.not_after = clock.wall_now() + ttl;
    wanted.uri_sans = {"spiffe://example.org" + agent_path};
    wanted.key_usage = runtime::kDigitalSignature;
    wanted.public_key = signs_another_key ? make_key().public_key() : runtime::parse_csr(csr).value().public_key;
    auto signed_one = runtime::sign_certificate(wanted, authority_key, &authorities.back()).value();
    return runtime::to_text(signed_one.der());
  }

 private:
  runtime::CertificateTemplate basics() const {
    runtime::CertificateTemplate wanted;
    wanted.serial = runtime::random_serial();
    wanted.not_before = clock.wall_now() - std::chrono::seconds(10);
    return wanted;
  }
};

inline runtime::Bytes message_bytes(const google::protobuf::MessageLite& message) {
  return runtime::to_bytes(runtime::as_bytes(message.SerializeAsString()));
}
inline std::optional<runtime::grpc::Status> take_front(std::deque<runtime::grpc::Status>& statuses) {
  if (statuses.empty()) return std::nullopt;
  runtime::grpc::Status first = statuses.front();
  statuses.pop_front();
  return first;
}

class FakeAttestStream final : public runtime::grpc::ClientStream {
 public:
  using Status = runtime::grpc::Status;
  explicit FakeAttestStream(FakeSpireServer& server) : server_(server) {}

  runtime::Task<runtime::Result<void, Status>> send(runtime::BytesView message) override {
    spire::api::server::agent::v1::AttestAgentRequest request;
    if (!request.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
      co_return Status(runtime::grpc::StatusCode::kInternal, "not a request");
    }
    if (request.has_params()) {
      ++server_.attestations;
      server_.payload_seen = request.params().data().payload();
      csr_ = request.params().params().csr();
    } else {
      server_.answers_seen.push_back(request.challenge_response());
    }
    co_return runtime::Result<void, Status>();
  }
  void half_close() override {}
  runtime::Task<runtime::Result<std::optional<runtime::Bytes>, Status>> receive() override {
    if (auto refusal = take_front(server_.attest_refusals)) co_return std::move(*refusal);
    spire::api::server::agent::v1::AttestAgentResponse response;
    if (challenged_ < server_.challenges) {
      response.set_challenge("challenge " + std::to_string(challenged_++));
    } else {
      auto& result = *response.mutable_result();
      result.mutable_svid()->add_cert_chain(server_.sign(runtime::as_bytes(csr_)));
      result.set_reattestable(server_.reattestable);
    }
    co_return std::optional<runtime::Bytes>(message_bytes(response));
  }

 private:
  FakeSpireServer& server_;
  std::string csr_;
  int challenged_ = 0;
};

class FakeAttestChannel final : public RpcChannel {
 public:
  using Status = runtime::grpc::Status;
  explicit FakeAttestChannel(FakeSpireServer& server) : server_(server) {}

  runtime::Task<runtime::Result<runtime::Bytes, Status>> unary(std::string, runtime::Bytes,
                                                               runtime::grpc::CallOptions) override {
    ++server_.bundles_fetched;
    if (auto refusal = take_front(server_.bundle_refusals)) co_return std::move(*refusal);
    spire::api::types::Bundle bundle;
    bundle.set_trust_domain("example.org");
    bundle.set_sequence_number(1);
    for (const runtime::Certificate& authority : server_.authorities) {
      bundle.add_x509_authorities()->set_asn1(runtime::to_text(authority.der()));
    }
    co_return message_bytes(bundle);
  }
  runtime::Task<runtime::Result<std::unique_ptr<runtime::grpc::ClientStream>, Status>> open_stream(
      std::string, runtime::grpc::CallOptions) override {
    if (!server_.connect_failures.empty()) {
      failure_ = server_.connect_failures.front();
      server_.connect_failures.pop_front();
      co_return Status(runtime::grpc::StatusCode::kUnavailable,
                       "connection error: desc = \"transport: " + failure_->message() + "\"");
    }
    co_return std::unique_ptr<runtime::grpc::ClientStream>(std::make_unique<FakeAttestStream>(server_));
  }
  const runtime::Error* last_connect_error() const override { return failure_ ? &*failure_ : nullptr; }
  std::uint64_t connections_made() const override { return 1; }
  runtime::Task<void> close(runtime::StopReason) override { co_return; }

 private:
  FakeSpireServer& server_;
  std::optional<runtime::Error> failure_;
};

// RenewAgent and the lock; everything else is not asked of it.
class FakeServerClient final : public ServerClient {
 public:
  template <class T>
  using Answer = runtime::Task<ServerResult<T>>;
  FakeServerClient(runtime::Loop& loop, FakeSpireServer& server) : lock_(loop), server_(server) {}
  int channels_dropped = 0;

  Answer<EntryDiff> sync_entries(EntrySet&, runtime::Deadline, runtime::StopToken) override { co_return not_there(); }
  Answer<SharedBundle> get_bundle(runtime::Deadline, runtime::StopToken) override { co_return not_there(); }
  Answer<SharedBundle> get_federated_bundle(TrustDomain, runtime::Deadline, runtime::StopToken) override {
    co_return not_there();
  }
  Answer<std::vector<MintedChain>> batch_new_x509_svid(std::vector<CsrItem>, runtime::Deadline,
                                                       runtime::StopToken) override {
    co_return not_there();
  }
  Answer<SharedJwtSvid> new_jwt_svid(std::string, std::vector<std::string>, runtime::Deadline,
                                     runtime::StopToken) override {
    co_return not_there();
  }
  Answer<runtime::Bytes> renew_agent(runtime::Bytes csr, runtime::Deadline, runtime::StopToken) override {
    ++server_.renewals;
    if (auto refusal = take_front(server_.renew_refusals)) {
      co_return classify(*refusal, nullptr).with_context("failed to renew agent");
    }
    co_return runtime::to_bytes(runtime::as_bytes(server_.sign(csr)));
  }
  Answer<void> post_status(std::string, runtime::Deadline, runtime::StopToken) override { co_return not_there(); }
  RotationLock& rotation_lock() override { return lock_; }
  void drop_channel() override { ++channels_dropped; }

 private:
  static ServerError not_there() {
    return ServerError(runtime::Error(runtime::ErrorCode::kUnimplemented, "not in this fake"));
  }
  RotationLock lock_;
  FakeSpireServer& server_;
};

}  // namespace steeple::agent
