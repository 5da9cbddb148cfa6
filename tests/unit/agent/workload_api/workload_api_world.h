// The Workload API on fakes: a caller whose attestation is given, identities that the test sets, and what was logged.
#pragma once

#include <unistd.h>

#include <catch2/catch.hpp>
#include <deque>
#include <fstream>
#include <iterator>

#include "agent/workload_api/workload_api.h"
#include "runtime/os/procfs.h"
#include "runtime/task/task_group.h"
#include "tests/fakes/fake_identity_source.h"
#include "tests/fakes/fake_server_call.h"
#include "tests/fakes/fixed_attestor.h"
#include "tests/fakes/own_peer.h"
#include "tests/fakes/test_authority.h"

namespace steeple::tests {

using namespace agent;
using namespace runtime;
using attestation::Selectors;
using attestation::WorkloadEngine;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

// A peer that is not the agent itself: the shell that started the test, say.
inline Peer other_peer() {
  pid_t parent = ::getppid();
  Peer own = own_peer();
  std::ifstream stat("/proc/" + std::to_string(parent) + "/stat");
  std::string text((std::istreambuf_iterator<char>(stat)), {});
  auto start = parse_proc_stat_start_time(text);
  return Peer(PeerCredentials{parent, own.credentials().uid, own.credentials().gid}, FileDescriptor(),
              start.value_or(0));
}

struct WorkloadApiWorld {
  explicit WorkloadApiWorld(WorkloadApi::Options options = {})
      : log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kDefault),
        engine(loop, one_attestor(attested), log),
        callers(engine),
        identities(loop),
        api(callers, identities, limits, clock, std::move(options), log),
        peer(other_peer()) {}
  ~WorkloadApiWorld() { finish(); }

  FakeServerCall& call(std::string_view path, bool header = true) {
    calls.push_back(std::make_unique<FakeServerCall>(loop, std::string(path), &peer));
    if (header) calls.back()->add_metadata("workload.spiffe.io", "true");
    return *calls.back();
  }
  void start(FakeServerCall& started) {
    statuses.emplace_back();
    group.spawn(serve(started, statuses.size() - 1));
    settle();
  }
  Task<void> serve(FakeServerCall& served, std::size_t slot) {
    bool svid = served.path() == kFetchX509SvidMethod;
    Status status = svid ? co_await api.fetch_x509_svid(served) : co_await api.fetch_x509_bundles(served);
    statuses[slot] = std::move(status);
  }
  void settle() {
    loop.io().restart();
    loop.io().poll();
  }
  void finish() {
    for (auto& open : calls) open->cancel(StopReason::kPeerGone);
    for (int i = 0; i < 10; ++i) settle();
    CHECK(group.size() == 0);
  }
  bool logged(std::string_view text) const { return lines.find(text) != std::string::npos; }

  Loop loop;
  SystemClock clock;
  std::string lines;
  Logger log;
  Result<Selectors> attested = Selectors({{"unix", "uid:3001"}});
  WorkloadEngine engine;
  CallerAttestor callers;
  FakeIdentitySource identities;
  RateLimiter limits;
  WorkloadApi api;
  Peer peer;
  TestAuthority authority{"example.org"};
  std::vector<std::unique_ptr<FakeServerCall>> calls;
  std::deque<std::optional<Status>> statuses;
  TaskGroup group{loop};
};

template <class Response>
Response parsed(const Bytes& message) {
  Response response;
  REQUIRE(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
  return response;
}

}  // namespace steeple::tests
