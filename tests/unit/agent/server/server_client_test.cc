#include "agent/server/server_client.h"

#include <catch2/catch.hpp>

#include "agent/server/messages.h"
#include "google/rpc/status.pb.h"
#include "runtime/task/blocking.h"
#include "spire/api/server/agent/v1/agent.pb.h"
#include "spire/api/server/entry/v1/entry.pb.h"
#include "spire/api/server/svid/v1/svid.pb.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/status.pb.h"
#include "tests/fakes/entries.h"
#include "tests/fakes/fake_rpc_channel.h"
#include "tests/fakes/signing_authority.h"

using namespace steeple;
using namespace steeple::agent;
using runtime::Bytes;
using runtime::Deadline;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;
using spire::api::types::PermissionDeniedDetails;

namespace {

Status denied(PermissionDeniedDetails::Reason reason) {
  PermissionDeniedDetails details;
  details.set_reason(reason);
  google::rpc::Status status;
  status.set_code(7);
  auto& any = *status.add_details();
  any.set_type_url("type.googleapis.com/spire.api.types.PermissionDeniedDetails");
  any.set_value(details.SerializeAsString());
  return Status(StatusCode::kPermissionDenied, "authorization denied", status.SerializeAsString());
}

struct Fixture {
  Fixture()
      : client(loop, server.factory(), ServerClientOptions(),
               runtime::Logger(runtime::make_string_sink(&log), runtime::LogLevel::kDebug, runtime::LogFormat::kText)
                   .with_subsystem("manager")) {}
  ~Fixture() { run(client.close(runtime::StopReason::kShutdown)); }
  template <class T>
  T run(runtime::Task<T> task) {
    return runtime::run_until_done(loop, std::move(task));
  }
  bool logged(const std::string& part) const { return log.find(part) != std::string::npos; }

  runtime::Loop loop;
  std::string log;
  tests::FakeRpcServer server;
  GrpcServerClient client;
};

Bytes bundle_message(const tests::SigningAuthority& authority, const std::string& key_id = "k") {
  spire::api::types::Bundle message;
  message.set_trust_domain(authority.trust_domain().name());
  auto& x509 = *message.add_x509_authorities();
  x509.set_asn1(authority.certificate().der().data(), authority.certificate().der().size());
  x509.set_tainted(true);
  auto& jwt = *message.add_jwt_authorities();
  jwt.set_key_id(key_id);
  jwt.set_public_key(authority.certificate().public_key().data(), authority.certificate().public_key().size());
  message.set_sequence_number(5);
  return serialize(message);
}

constexpr Deadline kNever = Deadline::never();

}  // namespace

TEST_CASE("Server errors are classified by their details, not by their code") {
  CHECK(classify(denied(PermissionDeniedDetails::AGENT_EXPIRED), nullptr).error_class() == ServerErrorClass::kReattest);
  CHECK(classify(denied(PermissionDeniedDetails::AGENT_NOT_ATTESTED), nullptr).error_class() ==
        ServerErrorClass::kReattest);
  CHECK(classify(denied(PermissionDeniedDetails::AGENT_NOT_ACTIVE), nullptr).error_class() ==
        ServerErrorClass::kReattest);
  CHECK(classify(denied(PermissionDeniedDetails::AGENT_MUST_REATTEST), nullptr).error_class() ==
        ServerErrorClass::kReattest);
  CHECK(classify(denied(PermissionDeniedDetails::AGENT_BANNED), nullptr).error_class() == ServerErrorClass::kBanned);
  CHECK(classify(denied(PermissionDeniedDetails::UNKNOWN), nullptr).error_class() ==
        ServerErrorClass::kPermissionDenied);
  CHECK(classify(Status(StatusCode::kPermissionDenied, "no"), nullptr).error_class() ==
        ServerErrorClass::kPermissionDenied);
  CHECK(classify(Status(StatusCode::kPermissionDenied, "no", "\x0a garbage"), nullptr).error_class() ==
        ServerErrorClass::kPermissionDenied);
}

TEST_CASE("Only our own verifier makes an authority unknown") {
  const runtime::Error untrusted(runtime::ErrorCode::kUntrusted, "x509: certificate signed by unknown authority");
  const runtime::Error refused(runtime::ErrorCode::kSystem, "connect: connection refused");
  const Status unavailable(StatusCode::kUnavailable, "connection error");
  CHECK(classify(unavailable, &untrusted).error_class() == ServerErrorClass::kUnknownAuthority);
  CHECK(classify(unavailable, &refused).error_class() == ServerErrorClass::kUnreachable);
  CHECK(classify(unavailable, nullptr).error_class() == ServerErrorClass::kUnreachable);
  const Status text(StatusCode::kInternal, "x509: certificate signed by unknown authority");
  CHECK(classify(text, &untrusted).error_class() == ServerErrorClass::kOther);
}

TEST_CASE("ServerClient falls back to GetAuthorizedEntries, remembers it, and probes after a reconnect") {
  Fixture f;
  f.server.stream = [](const std::string&, const Bytes&) -> tests::FakeRpcServer::StreamAnswer {
    return Status(StatusCode::kUnimplemented, "unknown method SyncAuthorizedEntries");
  };
  f.server.unary = [](const std::string&, const Bytes&) -> tests::FakeRpcServer::Answer {
    spire::api::server::entry::v1::GetAuthorizedEntriesResponse response;
    auto& entry = *response.add_entries();
    entry.set_id("a");
    entry.mutable_spiffe_id()->set_trust_domain("example.org");
    auto& selector = *entry.add_selectors();
    selector.set_type("t");
    selector.set_value("1");
    return serialize(response);
  };
  EntrySet entries;
  REQUIRE(f.run(f.client.sync_entries(entries, kNever, {})));
  CHECK(entries.size() == 1);
  CHECK(f.server.calls.size() == 2);
  REQUIRE(f.run(f.client.sync_entries(entries, kNever, {})));
  CHECK(f.server.calls.size() == 3);
  ++f.server.connections;
  REQUIRE(f.run(f.client.sync_entries(entries, kNever, {})));
  CHECK(f.server.calls.size() == 5);
  CHECK(f.server.channels_made == 1);
}

TEST_CASE("ServerClient drops the channel after a failure, but not for a federated bundle") {
  Fixture f;
  f.server.unary = [](const std::string&, const Bytes&) -> tests::FakeRpcServer::Answer {
    return Status(StatusCode::kUnavailable, "gone");
  };
  auto federated = f.run(f.client.get_federated_bundle(tests::trust_domain("partner.test"), kNever, {}));
  REQUIRE_FALSE(federated);
  CHECK(federated.error().message() == "failed to fetch federated bundle: rpc error: code = Unavailable desc = gone");
  CHECK(f.logged("msg=\"Failed to fetch federated bundle\""));
  CHECK(f.server.channels_closed == 0);
  auto own = f.run(f.client.get_bundle(kNever, {}));
  REQUIRE_FALSE(own);
  CHECK(own.error().message() == "failed to fetch bundle: rpc error: code = Unavailable desc = gone");
  CHECK(
      f.logged("level=error msg=\"Failed to fetch bundle\" error=\"rpc error: code = Unavailable desc = gone\" "
               "status_code=Unavailable status_message=gone subsystem_name=manager"));
  CHECK(f.server.channels_closed == 1);
  static_cast<void>(f.run(f.client.get_bundle(kNever, {})));
  CHECK(f.server.channels_made == 2);
  f.client.drop_channel();
  f.client.drop_channel();
  CHECK(f.server.channels_closed == 2);
}

TEST_CASE("ServerClient reports a broken entry stream in the recorded words and changes nothing") {
  Fixture f;
  EntrySet entries;
  std::vector<Bytes> messages;
  Status end;
  f.server.stream = [&](const std::string&, const Bytes&) -> tests::FakeRpcServer::StreamAnswer {
    if (!messages.empty()) return std::exchange(messages, {});
    return end;
  };
  SECTION("at once") {
    end = Status(StatusCode::kUnavailable, "connection refused");
    auto result = f.run(f.client.sync_entries(entries, kNever, {}));
    REQUIRE_FALSE(result);
    CHECK(result.error().message() ==
          "failed to fetch authorized entries: rpc error: code = Unavailable desc = connection refused");
    CHECK(result.error().error_class() == ServerErrorClass::kUnreachable);
    CHECK(
        f.logged("level=error msg=\"Failed to fetch authorized entries\" error=\"rpc error: code = Unavailable desc = "
                 "connection refused\" subsystem_name=manager"));
  }
  SECTION("between pages") {
    spire::api::server::entry::v1::SyncAuthorizedEntriesResponse page;
    page.add_entry_revisions()->set_id("a");
    messages = {serialize(page)};
    end = Status(StatusCode::kInternal, "x");
    auto result = f.run(f.client.sync_entries(entries, kNever, {}));
    REQUIRE_FALSE(result);
    CHECK(result.error().message() ==
          "failed to fetch authorized entries: failed to receive entry revision page from "
          "server: rpc error: code = Internal desc = x");
  }
  CHECK(entries.size() == 0);
  CHECK(f.server.channels_closed == 1);
}

TEST_CASE("ServerClient reads bundles and refuses malformed ones") {
  Fixture f;
  tests::SigningAuthority authority("example.org");
  Bytes answer = bundle_message(authority);
  f.server.unary = [&](const std::string&, const Bytes&) -> tests::FakeRpcServer::Answer { return answer; };
  auto bundle = f.run(f.client.get_bundle(kNever, {}));
  REQUIRE(bundle);
  CHECK((*bundle)->sequence_number() == 5);
  CHECK((*bundle)->tainted_subject_key_ids().size() == 1);
  CHECK((*bundle)->jwt_authorities().contains("k"));
  SECTION("the same bytes again are the same bundle, others are read") {
    auto again = f.run(f.client.get_bundle(kNever, {}));
    REQUIRE(again);
    CHECK(*again == *bundle);
    answer = bundle_message(authority, "other");
    auto other = f.run(f.client.get_bundle(kNever, {}));
    REQUIRE(other);
    CHECK((*other)->jwt_authorities().contains("other"));
    auto federated = f.run(f.client.get_federated_bundle(authority.trust_domain(), kNever, {}));
    REQUIRE(federated);
    CHECK(*federated != *other);
    auto federated_again = f.run(f.client.get_federated_bundle(authority.trust_domain(), kNever, {}));
    REQUIRE(federated_again);
    CHECK(*federated_again == *federated);
  }
  SECTION("without key id") {
    answer = bundle_message(authority, "");
    auto refused = f.run(f.client.get_bundle(kNever, {}));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().message() == "missing key ID");
    CHECK(f.logged("Received malformed bundle from SPIRE server; are the server and agent versions compatible?"));
  }
  SECTION("truncated") {
    answer.resize(answer.size() / 2);
    CHECK_FALSE(f.run(f.client.get_bundle(kNever, {})));
  }
  SECTION("federated: of another trust domain") {
    auto refused = f.run(f.client.get_federated_bundle(tests::trust_domain("partner.test"), kNever, {}));
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == runtime::ErrorCode::kMalformed);
  }
  SECTION("federated: not found") {
    f.server.unary = [](const std::string&, const Bytes&) -> tests::FakeRpcServer::Answer {
      return Status(StatusCode::kNotFound, "bundle not found");
    };
    auto none = f.run(f.client.get_federated_bundle(tests::trust_domain("partner.test"), kNever, {}));
    REQUIRE(none);
    CHECK_FALSE(*none);
    CHECK(f.logged("level=warning msg=\"Federated bundle not found\""));
  }
}

TEST_CASE("ServerClient gives one chain or refusal per CSR") {
  Fixture f;
  spire::api::server::svid::v1::BatchNewX509SVIDResponse response;
  auto& good = *response.add_results();
  good.mutable_svid()->add_cert_chain("leaf");
  good.mutable_svid()->add_cert_chain("ca");
  auto& bad = *response.add_results();
  bad.mutable_status()->set_code(5);
  bad.mutable_status()->set_message("entry not found or not authorized");
  f.server.unary = [&](const std::string&, const Bytes&) -> tests::FakeRpcServer::Answer {
    return serialize(response);
  };
  std::vector<CsrItem> items{CsrItem("a", {1}), CsrItem("b", {2})};
  auto chains = f.run(f.client.batch_new_x509_svid(items, kNever, {}));
  REQUIRE(chains);
  REQUIRE(chains->size() == 2);
  CHECK(runtime::to_text(*(*chains)[0]) == "leafca");
  CHECK((*chains)[1].error().code() == StatusCode::kNotFound);
  CHECK(
      f.logged("level=warning msg=\"Failed to mint X509 SVID\" entry_id=b error=\"entry not found or not authorized\" "
               "status=5 subsystem_name=manager"));
  response.mutable_results()->RemoveLast();
  auto short_answer = f.run(f.client.batch_new_x509_svid(items, kNever, {}));
  REQUIRE_FALSE(short_answer);
  CHECK(short_answer.error().message() == "failed to batch new X509 SVID(s): 1 results for 2 requests");
}

TEST_CASE("ServerClient checks a JWT-SVID as SPIRE's agent does, and passes the server's refusal on") {
  Fixture f;
  spire::api::server::svid::v1::NewJWTSVIDResponse response;
  std::string asked;
  f.server.unary = [&](const std::string& path, const Bytes& request) -> tests::FakeRpcServer::Answer {
    asked = path;
    spire::api::server::svid::v1::NewJWTSVIDRequest message;
    CHECK(parse(request, message));
    CHECK(message.entry_id() == "e");
    CHECK(message.audience_size() == 2);
    return serialize(response);
  };
  auto ask = [&] { return f.run(f.client.new_jwt_svid("e", {"b", "a"}, kNever, {})); };
  auto refusal = [&] {
    auto answer = ask();
    return answer ? std::string() : answer.error().message();
  };
  CHECK(refusal() == "JWTSVID response missing SVID");
  CHECK(asked == "/spire.api.server.svid.v1.SVID/NewJWTSVID");
  auto& svid = *response.mutable_svid();
  svid.set_token("a.b.c");
  CHECK(refusal() == "JWTSVID missing issued at");
  svid.set_issued_at(2000);
  CHECK(refusal() == "JWTSVID missing expires at");
  svid.set_expires_at(1000);
  CHECK(refusal() == "JWTSVID issued after it has expired");
  svid.set_expires_at(3000);
  svid.mutable_id()->set_trust_domain("example.org");
  svid.mutable_id()->set_path("/");
  CHECK(refusal() == "could not parse JWT-SVID SPIFFE ID: path cannot have a trailing slash");
  svid.mutable_id()->set_path("/a");
  auto good = ask();
  REQUIRE(good);
  CHECK((*good)->token() == "a.b.c");
  CHECK((*good)->spiffe_id().text() == "spiffe://example.org/a");
  CHECK((*good)->expires_at() - (*good)->issued_at() == std::chrono::seconds(1000));
  f.server.unary = [&](const std::string&, const Bytes&) -> tests::FakeRpcServer::Answer {
    return Status(StatusCode::kNotFound, "entry not found or not authorized");
  };
  CHECK(refusal() == "failed to fetch JWT SVID: rpc error: code = NotFound desc = entry not found or not authorized");
  CHECK(f.logged("level=error msg=\"Failed to fetch JWT SVID\""));
}

TEST_CASE("ServerClient renews the agent and posts its status") {
  Fixture f;
  spire::api::server::agent::v1::RenewAgentResponse response;
  response.mutable_svid()->add_cert_chain("chain");
  f.server.unary = [&](const std::string& path, const Bytes&) -> tests::FakeRpcServer::Answer {
    if (path.ends_with("PostStatus")) return denied(PermissionDeniedDetails::AGENT_BANNED);
    return serialize(response);
  };
  auto renewed = f.run(f.client.renew_agent({1}, kNever, {}));
  REQUIRE(renewed);
  CHECK(runtime::to_text(*renewed) == "chain");
  response.Clear();
  CHECK_FALSE(f.run(f.client.renew_agent({1}, kNever, {})));
  auto posted = f.run(f.client.post_status("1.15.3", kNever, {}));
  REQUIRE_FALSE(posted);
  CHECK(posted.error().error_class() == ServerErrorClass::kBanned);
  CHECK(posted.error().message().starts_with("failed to post agent status: rpc error: code = PermissionDenied"));
}

TEST_CASE("RotationLock lets many share it and one have it alone, in order of arrival") {
  runtime::Loop loop;
  RotationLock lock(loop);
  auto run = [&](auto task) { return runtime::run_until_done(loop, std::move(task)); };
  auto first = run(lock.share(kNever, {}));
  auto second = run(lock.share(kNever, {}));
  REQUIRE((first && second));
  auto soon = [] { return Deadline::in(std::chrono::milliseconds(1)); };
  auto alone = run(lock.take_alone(soon(), {}));
  REQUIRE_FALSE(alone);
  CHECK(alone.error().code() == runtime::ErrorCode::kDeadline);
  CHECK(run(lock.share(soon(), {})));  // nobody waits any more
  first->release();
  second->release();
  alone = run(lock.take_alone(soon(), {}));
  REQUIRE(alone);
  CHECK_FALSE(run(lock.share(soon(), {})));
  alone->release();
  CHECK(run(lock.share(soon(), {})));
}
