#include "agent/server/attest_call.h"

#include <catch2/catch.hpp>

#include "agent/server/messages.h"
#include "runtime/task/blocking.h"
#include "spire/api/server/agent/v1/agent.pb.h"
#include "tests/fakes/fake_rpc_channel.h"
#include "tests/fakes/signing_authority.h"

using namespace steeple;
using namespace steeple::agent;
using runtime::Bytes;
using runtime::Deadline;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;
using spire::api::server::agent::v1::AttestAgentRequest;
using spire::api::server::agent::v1::AttestAgentResponse;

namespace {

AttestAgentRequest decode(const Bytes& bytes) {
  AttestAgentRequest request;
  REQUIRE(request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())));
  return request;
}

AttestAgentResponse challenge(const std::string& text) {
  AttestAgentResponse response;
  response.set_challenge(text);
  return response;
}

AttestAgentResponse good_result() {
  tests::SigningAuthority authority("example.org");
  const auto svid = authority.svid("spiffe://example.org/spire/agent/x");
  AttestAgentResponse response;
  response.mutable_result()->set_reattestable(true);
  response.mutable_result()->mutable_svid()->add_cert_chain(runtime::to_text(svid->chain()));
  return response;
}

struct Fixture {
  ServerResult<AttestResult> attest() {
    tests::FakeRpcChannel channel(server);
    auto answer = [this](runtime::BytesView text) -> runtime::Result<Bytes> {
      if (refuse_challenge) return runtime::Error(runtime::ErrorCode::kDenied, "server issued unexpected challenge");
      return runtime::to_bytes(runtime::as_bytes("answer to " + runtime::to_text(text)));
    };
    return runtime::run_until_done(
        loop, attest_agent(channel, AttestRequest("x509pop", {1, 2}, {3}), answer, Deadline::never(), {}));
  }
  runtime::Loop loop;
  tests::FakeRpcServer server;
  bool refuse_challenge = false;
};

}  // namespace

TEST_CASE("attest_agent sends evidence, answers challenges and gives the chain") {
  Fixture f;
  int step = 0;
  f.server.stream = [&](const std::string&, const Bytes& bytes) -> tests::FakeRpcServer::StreamAnswer {
    AttestAgentRequest request = decode(bytes);
    if (step++ == 0) {
      CHECK(request.params().data().type() == "x509pop");
      CHECK(request.params().data().payload() == "\x01\x02");
      CHECK(request.params().params().csr() == "\x03");
      return std::vector<Bytes>{serialize(challenge("one"))};
    }
    CHECK(request.challenge_response() == (step == 2 ? "answer to one" : "answer to "));
    if (step == 2) return std::vector<Bytes>{serialize(challenge(""))};  // an empty challenge is one, too
    return std::vector<Bytes>{serialize(good_result())};
  };
  auto result = f.attest();
  REQUIRE(result);
  CHECK(result->reattestable);
  CHECK_FALSE(result->chain.empty());
  CHECK(step == 3);
}

TEST_CASE("attest_agent refuses answers that are not right") {
  Fixture f;
  AttestAgentResponse response = good_result();
  std::string expected;
  SECTION("no SVID") {
    response.mutable_result()->clear_svid();
    expected = "failed to parse attestation response: attest response is missing SVID";
  }
  SECTION("no certificate") {
    response.mutable_result()->mutable_svid()->clear_cert_chain();
    expected = "failed to parse attestation response: empty SVID cert chain";
  }
  SECTION("truncated certificate") {
    response.mutable_result()->mutable_svid()->mutable_cert_chain(0)->resize(40);
    expected = "failed to parse attestation response: invalid SVID cert chain: ";
  }
  SECTION("neither challenge nor result") {
    response.Clear();
    expected = "failed to parse attestation response: ";
  }
  f.server.stream = [&](const std::string&, const Bytes&) -> tests::FakeRpcServer::StreamAnswer {
    return std::vector<Bytes>{serialize(response)};
  };
  auto result = f.attest();
  REQUIRE_FALSE(result);
  CHECK(result.error().message().starts_with(expected));
}

TEST_CASE("attest_agent passes on the server's refusal, the attestor's, and an early end") {
  Fixture f;
  f.server.stream = [&](const std::string&, const Bytes&) -> tests::FakeRpcServer::StreamAnswer {
    return Status(StatusCode::kPermissionDenied, "failed to attest: agent is banned");
  };
  auto refused = f.attest();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().message() ==
        "failed to receive attestation response: rpc error: code = PermissionDenied desc = "
        "failed to attest: agent is banned");
  CHECK(refused.error().error_class() == ServerErrorClass::kPermissionDenied);

  f.server.stream = [&](const std::string&, const Bytes&) -> tests::FakeRpcServer::StreamAnswer {
    return std::vector<Bytes>{};
  };
  auto ended = f.attest();
  REQUIRE_FALSE(ended);
  CHECK(ended.error().message() == "failed to receive attestation response: EOF");

  f.server.stream = [&](const std::string&, const Bytes&) -> tests::FakeRpcServer::StreamAnswer {
    return std::vector<Bytes>{serialize(challenge("again"))};
  };
  auto endless = f.attest();
  REQUIRE_FALSE(endless);
  CHECK(endless.error().code() == runtime::ErrorCode::kLimit);
  f.refuse_challenge = true;
  auto unexpected = f.attest();
  REQUIRE_FALSE(unexpected);
  CHECK(unexpected.error().message() == "server issued unexpected challenge");
}
