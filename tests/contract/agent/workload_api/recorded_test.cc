// What the stock agent answered on its public socket, asked again of ours over both engines.
#include <catch2/catch.hpp>
#include <set>

#include "agent/workload_api/workload_api.h"
#include "spiffe/workload/workload.pb.h"
#include "tests/fakes/endpoint_world.h"
#include "tests/fakes/fake_identity_source.h"
#include "tests/fakes/recorded_calls.h"
#include "tests/fakes/test_authority.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using steeple::attestation::Selectors;
using steeple::attestation::WorkloadAttestor;
using steeple::attestation::WorkloadEngine;

namespace {

// Gives the caller the uid of the recording.
class RecordedUidAttestor final : public WorkloadAttestor {
 public:
  explicit RecordedUidAttestor(const int& uid) : uid_(uid) {}
  std::string_view name() const override { return "unix"; }
  Task<Result<Selectors>> attest(const ProcessHandle&, Deadline, StopToken) override {
    co_return Selectors({{"unix", "uid:" + std::to_string(uid_)}});
  }

 private:
  const int& uid_;
};

WorkloadEngine::Attestors attestors_of(const int& uid) {
  WorkloadEngine::Attestors attestors;
  attestors.push_back(std::make_unique<RecordedUidAttestor>(uid));
  return attestors;
}

// The entries of the recordings, by uid; entry ids are such that the order is the recorded one.
class RecordedEntries {
 public:
  FakeIdentitySource::Update update(int uid) const {
    auto id = [&](const char* entry, const char* path, const char* hint = "", std::int64_t created = 0) {
      return authority.identity(entry, path, hint, created);
    };
    switch (uid) {
      case 3001:
        return authority.update({id("a", "/workload/one")});
      case 3002:
        return authority.update({id("a", "/workload/two-a", "internal"), id("b", "/workload/two-b", "external")},
                                {partner.bundle()});
      case 3004:
        return authority.update({id("a", "/workload/dup-a", "same", 100), id("b", "/workload/dup-b", "same", 200)});
      case 3005:
        return authority.update({id("a", "/workload/same", "h1"), id("b", "/workload/same", "h2")});
      case 3006:
        return authority.update({id("a", "/workload/down"), id("b", "/workload/admin"), id("c", "/workload/plain6")});
      case 3007:
        return authority.update({id("a", "/workload/fed")}, {partner.bundle(), third.bundle()});
      case 3008:
        return authority.update({id("a", "/workload/dns")});
      default:
        return authority.update({});
    }
  }
  TestAuthority authority{"example.org"};
  TestAuthority partner{"partner.test"};
  TestAuthority third{"third.test"};
};

struct World {
  explicit World(Backend backend)
      : engine(loop, attestors_of(uid), log),
        callers(engine),
        identities(loop),
        api(callers, identities, limits, clock, {}, log) {
    identities.set_chooser([this](const Selectors&) { return entries.update(uid); });
    api.add_to(table);
    world = std::make_unique<EndpointWorld>(loop, backend, table, log);
  }
  CallOutcome make(const RecordedCall& call) {
    uid = call.uid();
    return run_until_done(loop, make_recorded_call(world->channel(), call));
  }

  Loop loop;
  SystemClock clock;
  Logger log;
  int uid = 0;
  RecordedEntries entries;
  WorkloadEngine engine;
  CallerAttestor callers;
  FakeIdentitySource identities;
  RateLimiter limits;
  WorkloadApi api;
  steeple::runtime::grpc::ServiceTable table;
  std::unique_ptr<EndpointWorld> world;
};

template <class Map>
std::set<std::string> keys_of(const Map& map) {
  std::set<std::string> keys;
  for (const auto& [key, value] : map) {
    CHECK_FALSE(value.empty());
    keys.insert(key);
  }
  return keys;
}
std::set<std::string> recorded_keys(const RecordedCall::Json& message, const char* field) {
  std::set<std::string> keys;
  // Not get_child_optional: the keys hold dots.
  auto at = message.find(field);
  if (at == message.not_found()) return keys;
  for (const auto& [key, value] : at->second) keys.insert(key);
  return keys;
}

void check_svids(const RecordedCall::Json& recorded, const Bytes& message) {
  X509SVIDResponse response;
  REQUIRE(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
  const RecordedCall::Json& svids = recorded.get_child("svids");
  REQUIRE(static_cast<std::size_t>(response.svids_size()) == svids.size());
  int i = 0;
  for (const auto& [unused, svid] : svids) {
    CHECK(response.svids(i).spiffe_id() == svid.get<std::string>("spiffe_id"));
    CHECK(response.svids(i).hint() == svid.get<std::string>("hint", ""));
    CHECK_FALSE(response.svids(i).x509_svid().empty());
    CHECK_FALSE(response.svids(i).x509_svid_key().empty());
    CHECK_FALSE(response.svids(i).bundle().empty());
    ++i;
  }
  CHECK(response.crl_size() == 0);
  CHECK(keys_of(response.federated_bundles()) == recorded_keys(recorded, "federated_bundles"));
}

void check_bundles(const RecordedCall::Json& recorded, const Bytes& message) {
  X509BundlesResponse response;
  REQUIRE(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
  CHECK(keys_of(response.bundles()) == recorded_keys(recorded, "bundles"));
  CHECK(response.crl_size() == 0);
}

void check(const RecordedCall& call, const CallOutcome& outcome) {
  INFO(call.id());
  if (call.code().empty()) {
    CHECK_FALSE(outcome.status);
  } else {
    REQUIRE(outcome.status);
    CHECK(to_string(outcome.status->code()) == call.code());
    CHECK(outcome.status->message() == call.message());
  }
  const RecordedCall::Json* recorded = call.first_message();
  REQUIRE((recorded != nullptr) == outcome.message.has_value());
  if (!recorded || recorded->empty()) return;  // a description in place of the message
  if (call.path() == kFetchX509SvidMethod) check_svids(*recorded, *outcome.message);
  if (call.path() == kFetchX509BundlesMethod) check_bundles(*recorded, *outcome.message);
}

void check_file(const std::string& name, std::size_t least) {
  std::vector<RecordedCall> calls = read_recorded_calls(std::string(STEEPLE_TEST_DATA) + "/grpc/" + name);
  REQUIRE(calls.size() >= least);
  for (Backend backend : available_backends()) {
    World world(backend);
    for (const RecordedCall& call : calls) check(call, world.make(call));
  }
}

}  // namespace

TEST_CASE("The security header is judged as recorded") { check_file("security-header.jsonl", 17); }

TEST_CASE("The X.509 methods of the Workload API answer as recorded") { check_file("workload-api.jsonl", 20); }
