// The stock agent's world of the recordings, on a real socket: its callers by uid and their entries.
#pragma once

#include "agent/workload_api/jwt_api.h"
#include "agent/workload_api/workload_api.h"
#include "tests/fakes/endpoint_world.h"
#include "tests/fakes/fake_identity_source.h"
#include "tests/fakes/fake_jwt_source.h"
#include "tests/fakes/recorded_calls.h"
#include "tests/fakes/test_authority.h"

namespace steeple::tests {

// Gives the caller the uid of the recording.
class RecordedUidAttestor final : public attestation::WorkloadAttestor {
 public:
  explicit RecordedUidAttestor(const int& uid) : uid_(uid) {}
  std::string_view name() const override { return "unix"; }
  runtime::Task<runtime::Result<attestation::Selectors>> attest(const runtime::ProcessHandle&, runtime::Deadline,
                                                                runtime::StopToken) override {
    co_return attestation::Selectors({{"unix", "uid:" + std::to_string(uid_)}});
  }

 private:
  const int& uid_;
};

inline attestation::WorkloadEngine::Attestors attestors_of(const int& uid) {
  attestation::WorkloadEngine::Attestors attestors;
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
      case 3011:
        return authority.update({id("a", "/workload/forge")}, {forge.bundle()});
      default:
        return authority.update({});
    }
  }
  TestAuthority authority{"example.org"};
  TestAuthority partner{"partner.test"};
  TestAuthority third{"third.test"};
  TestAuthority forge{"forge.test"};
};

struct RecordedWorld {
  explicit RecordedWorld(runtime::Backend backend)
      : engine(loop, attestors_of(uid), log),
        callers(engine),
        identities(loop),
        api(callers, identities, limits, clock, {}, log),
        jwt_api(callers, identities, tokens, limits, clock, {*agent::TrustDomain::parse("example.org"), {}, {}}, log) {
    identities.set_chooser([this](const attestation::Selectors&) { return entries.update(uid); });
    api.add_to(table);
    jwt_api.add_to(table);
    world = std::make_unique<EndpointWorld>(loop, backend, table, log);
  }
  CallOutcome make(const RecordedCall& call) {
    uid = call.uid();
    return runtime::run_until_done(loop, make_recorded_call(world->channel(), call));
  }

  runtime::Loop loop;
  runtime::SystemClock clock;
  runtime::Logger log;
  int uid = 0;
  RecordedEntries entries;
  attestation::WorkloadEngine engine;
  agent::CallerAttestor callers;
  FakeIdentitySource identities;
  agent::RateLimiter limits;
  FakeJwtSource tokens;
  agent::WorkloadApi api;
  agent::JwtApi jwt_api;
  runtime::grpc::ServiceTable table;
  std::unique_ptr<EndpointWorld> world;
};

}  // namespace steeple::tests
