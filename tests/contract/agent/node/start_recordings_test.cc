// The log of a start, line by line as recorded from SPIRE agent 1.15.3 (tests/data/node-logs: the lines that belong to
// bootstrap, attestation and rotation). "Setting use." is left out of the comparison, since the recordings cut it in
// places. Where the SPIRE agent gives up after a minute Steeple goes on, so there the recording is a beginning.
#include <catch2/catch.hpp>
#include <fstream>

#include "tests/unit/agent/node/node_world.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

using Lines = std::vector<std::string>;

Lines without_noise(const Lines& lines) {
  Lines kept;
  for (const std::string& line : lines) {
    bool noise =
        line.find("\"Setting use.\"") != std::string::npos || line.find("Stopping SVID rotator") != std::string::npos;
    if (!noise) kept.push_back(line);
  }
  return kept;
}

Lines recording(const std::string& name) {
  std::ifstream file(std::string(STEEPLE_TEST_DATA) + "/node-logs/" + name + ".log");
  REQUIRE(file);
  Lines lines;
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  REQUIRE_FALSE(lines.empty());
  return without_noise(lines);
}

Lines first(Lines lines, std::size_t count) {
  lines.resize(std::min(count, lines.size()));
  return lines;
}

void use_join_token(NodeWorld& world) {
  world.attestor.kind = "join_token";
  world.server.agent_path = "/spire/agent/join_token/11111111-2222-4333-8444-555555555555";
  world.server.reattestable = false;
}

void leave_key_of_other_agent(NodeWorld& world) {
  runtime::Logger quiet;
  auto keys = DiskKeyManager::open(world.directory.path, quiet).value();
  REQUIRE(keys->generate("agent-svid-A", runtime::KeyType::kEcP256));
}

Error refused_connection() {
  return Error(ErrorCode::kUnavailable, "Error while dialing: dial tcp <SERVER_ADDR>: connect: connection refused");
}

}  // namespace

TEST_CASE("A first start is logged as recorded") {
  NodeWorld world;
  use_join_token(world);
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(without_noise(run.lines()) == first(recording("join-token-life-cycle"), 5));
  CHECK(without_noise(run.lines()) == recording("memory-key-manager-join-token"));
}

TEST_CASE("A restart with a stored SVID is logged as recorded") {
  NodeWorld world;
  use_join_token(world);
  REQUIRE(NodeRun(world).establish());
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(without_noise(run.lines()) == first(recording("restart-with-stored-svid"), 3));
  CHECK(world.server.attestations == 1);
}

TEST_CASE("A restart without the keys is logged as recorded") {
  NodeWorld world;
  world.memory_keys = true;
  REQUIRE(NodeRun(world).establish());
  NodeRun run(world);
  REQUIRE(run.establish());
  CHECK(without_noise(run.lines()) == recording("memory-key-manager-restart"));
}

TEST_CASE("An insecure bootstrap is logged as recorded") {
  NodeWorld world;
  world.source.next = ServerTrust();
  NodeRun run(world);
  REQUIRE(run.establish());
  // The handshake's own warning comes from the connector.
  Lines expected = recording("insecure-bootstrap");
  std::erase_if(expected, [](const std::string& line) { return line.find("skipping server") != std::string::npos; });
  CHECK(without_noise(run.lines()) == expected);
  CHECK(world.trusts == std::vector<ServerTrust>{std::nullopt});
}

TEST_CASE("Start-ups without a usable bundle are logged as recorded, each retry reading it anew") {
  struct Case {
    const char* name;
    Error failure;
  };
  for (const Case& each :
       {Case{"empty-trust-bundle", Error(ErrorCode::kMalformed, "no PEM blocks")},
        Case{"missing-trust-bundle-file",
             Error(ErrorCode::kNotFound, "could not parse trust bundle: open /b.pem: no such file or directory")}}) {
    NodeWorld world;
    world.source.next = each.failure;
    world.pauses_max = 2;
    NodeRun run(world);
    CHECK(run.establish().error().code() == ErrorCode::kCancelled);
    CHECK(run.lines() == recording(each.name));
    CHECK(world.source.reads == 2);
  }
}

TEST_CASE("Refused join tokens are logged as recorded, and tried for ever") {
  struct Case {
    const char* name;
    bool keys_left;
  };
  for (const Case& each : {Case{"join-token-reused", false}, Case{"join-token-unknown", true}}) {
    NodeWorld world;
    use_join_token(world);
    if (each.keys_left) leave_key_of_other_agent(world);
    Status used(StatusCode::kInvalidArgument, "failed to attest: join token does not exist or has already been used");
    world.server.attest_refusals.assign(100, used);
    world.pauses_max = 20;
    NodeRun run(world);
    CHECK(run.establish().error().code() == ErrorCode::kCancelled);
    Lines expected = recording(each.name);
    CHECK(first(run.lines(), expected.size()) == expected);
    CHECK(world.server.attestations == 20);
  }
}

TEST_CASE("A missing join token is logged as recorded and ends the agent after a minute") {
  for (const char* name : {"join-token-missing", "evict-join-token-restart"}) {
    NodeWorld world;
    use_join_token(world);
    leave_key_of_other_agent(world);
    world.attestor.failure = Error(ErrorCode::kInvalidArgument, "join token was not provided");
    NodeRun run(world);
    auto ended = run.establish();
    CHECK(ended.error().message() ==
          "rpc error: code = InvalidArgument desc = nodeattestor(join_token): join token was not provided");
    CHECK(run.lines() == recording(name));
    CHECK(world.server.attestations == 0);
  }
}

TEST_CASE("A server that is away at start is logged as recorded, and waited for") {
  for (const char* name : {"server-away-at-start-gives-up", "server-away-at-start-sigterm"}) {
    NodeWorld world;
    use_join_token(world);
    world.server.connect_failures.assign(200, refused_connection());
    world.pauses_max = 1000;
    NodeRun run(world);
    REQUIRE(run.establish());
    Lines expected = recording(name);
    CHECK(first(run.lines(), expected.size()) == expected);
    CHECK(world.pauses.size() == 200);
    CHECK(*std::max_element(world.pauses.begin(), world.pauses.end()) <= std::chrono::seconds(6));
  }
}

TEST_CASE("A bundle that is not the server's is logged as recorded") {
  NodeWorld world;
  Error untrusted(
      ErrorCode::kUntrusted,
      "authentication handshake failed: x509svid: could not verify leaf certificate: x509: certificate signed "
      "by unknown authority");
  world.server.connect_failures.assign(2, untrusted);
  NodeRun run(world);
  REQUIRE(run.establish());
  Lines expected = recording("wrong-trust-bundle");
  CHECK(first(run.lines(), expected.size()) == expected);
}

TEST_CASE("A banned agent's start is logged as recorded and ends it") {
  Status banned(StatusCode::kPermissionDenied, "failed to attest: agent is banned");
  {
    NodeWorld world;
    leave_key_of_other_agent(world);
    world.server.attest_refusals = {banned};
    NodeRun run(world);
    CHECK(
        run.establish().error().message() ==
        "failed to receive attestation response: rpc error: code = PermissionDenied desc = failed to attest: agent is "
        "banned");
    CHECK(run.lines() == recording("ban-x509pop-restart"));
  }
  NodeWorld world;
  world.memory_keys = true;
  REQUIRE(NodeRun(world).establish());
  world.server.attest_refusals = {banned};
  NodeRun run(world);
  CHECK_FALSE(run.establish());
  CHECK(run.lines() == recording("banned-agent-start"));
}

}  // namespace steeple::agent
