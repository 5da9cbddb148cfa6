#include <catch2/catch.hpp>

#include "agent/endpoints/call_log.h"
#include "agent/endpoints/caller.h"
#include "agent/endpoints/endpoints.h"
#include "agent/endpoints/rate_limit.h"
#include "agent/endpoints/security_header.h"
#include "agent/endpoints/status_text.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using steeple::attestation::Selectors;
using steeple::runtime::grpc::Metadata;
using steeple::runtime::grpc::StatusCode;

namespace {

class HandClock final : public Clock {
 public:
  SteadyTime now() const override { return now_; }
  WallTime wall_now() const override { return {}; }
  void pass(std::chrono::nanoseconds time) { now_ += time; }

 private:
  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
};

Metadata metadata(std::vector<std::pair<std::string, std::string>> entries) {
  Metadata made;
  for (auto& [key, value] : entries) made.add(key, value);
  return made;
}

}  // namespace

TEST_CASE("The security header must be there exactly once, and be true") {
  CHECK(has_security_header(metadata({{"x", "y"}, {"workload.spiffe.io", "true"}})));
  for (const char* value : {"True", "TRUE", "1", "false", "", " true", "true,true"}) {
    CHECK_FALSE(has_security_header(metadata({{"workload.spiffe.io", value}})));
  }
  CHECK_FALSE(has_security_header({}));
  CHECK_FALSE(has_security_header(metadata({{"workload.spiffe.io", "true"}, {"workload.spiffe.io", "true"}})));
  CHECK_FALSE(has_security_header(metadata({{"workload.spiffe.io", "false"}, {"workload.spiffe.io", "true"}})));
}

TEST_CASE("Only the Workload API asks for the security header") {
  grpc::Status refused = check_security_header("/SpiffeWorkloadAPI/FetchJWTSVID", {});
  CHECK(refused.code() == StatusCode::kInvalidArgument);
  CHECK(refused.message() == "security header missing from request");
  CHECK(check_security_header("/grpc.health.v1.Health/Check", {}).is_ok());
  CHECK(check_security_header("/SpiffeWorkloadAPI/X", metadata({{"workload.spiffe.io", "true"}})).is_ok());
}

TEST_CASE("Log lines use short service names") {
  CHECK(call_names("/SpiffeWorkloadAPI/FetchX509SVID").service == "WorkloadAPI");
  CHECK(call_names("/SpiffeWorkloadAPI/FetchX509SVID").method == "FetchX509SVID");
  CHECK(call_names("/grpc.health.v1.Health/Check").service == "Health");
  CHECK(call_names("/a.b.C/D").service == "a.b.C");
  CHECK(call_names("odd").service == "odd");
  CHECK(call_names("").method.empty());
}

TEST_CASE("log_selectors shows whole prefixes only") {
  Selectors selectors({{"k8s", "ns:a"}, {"k8s", "ns-other:b"}, {"k8s", "sa:c"}, {"unix", "uid:0"}});
  CHECK(loggable_selectors(selectors, {}).empty());
  CHECK(loggable_selectors(selectors, {"k8s:ns"}) == "k8s:ns:a");
  CHECK(loggable_selectors(selectors, {"unix", "k8s:sa"}) == "k8s:sa:c,unix:uid:0");
  CHECK(loggable_selectors(selectors, {"unix:uid:0"}) == "unix:uid:0");
  CHECK(loggable_selectors(selectors, {"k8s:n"}).empty());
}

TEST_CASE("RateLimiter has one bucket per method and selector set") {
  HandClock clock;
  std::string lines;
  Logger log(make_string_sink(&lines), LogLevel::kInfo, LogFormat::kDefault);
  RateLimiter limits(clock, {{"/a", 2}, {"/b", 1}, {"/c", 0}}, log);
  std::string refused;
  limits.on_refused([&](std::string_view method) { refused += method; });
  CHECK(lines.find("msg=\"Workload API/SDS rate limiting enabled\" limit=2 method=/a subsystem_name=endpoints") !=
        std::string::npos);
  CHECK(lines.find("/c") == std::string::npos);
  Selectors one({{"unix", "uid:1"}});
  Selectors two({{"unix", "uid:2"}});
  CHECK(limits.allow("/a", one));
  CHECK(limits.allow("/a", one));
  CHECK_FALSE(limits.allow("/a", one));
  CHECK(limits.allow("/a", two));
  CHECK(limits.allow("/b", one));
  CHECK_FALSE(limits.allow("/b", one));
  for (int i = 0; i < 10; ++i) CHECK(limits.allow("/c", one));
  CHECK(refused == "/a/b");
  clock.pass(std::chrono::milliseconds(499));
  CHECK_FALSE(limits.allow("/a", one));
  clock.pass(std::chrono::milliseconds(2));
  CHECK(limits.allow("/a", one));
  CHECK_FALSE(limits.allow("/a", one));
}

TEST_CASE("RateLimiter keeps a bucket that is in use over a generation, and forgets idle ones") {
  HandClock clock;
  RateLimiter limits(clock, {{"/a", 1}}, Logger());
  Selectors caller({{"unix", "uid:1"}});
  CHECK(limits.allow("/a", caller));
  clock.pass(std::chrono::seconds(59));
  CHECK(limits.allow("/a", caller));
  clock.pass(std::chrono::milliseconds(1500));  // the next generation has begun; the bucket moved along
  CHECK(limits.allow("/a", caller));
  CHECK_FALSE(limits.allow("/a", caller));
  clock.pass(std::chrono::minutes(5));
  CHECK(limits.allow("/a", caller));
}

TEST_CASE("Waits end with the context's status") {
  CHECK(status_text::of_wait(Error(ErrorCode::kCancelled, "x")) ==
        grpc::Status(StatusCode::kCancelled, "context canceled"));
  CHECK(status_text::of_wait(Error(ErrorCode::kDeadline, "x")) ==
        grpc::Status(StatusCode::kDeadlineExceeded, "context deadline exceeded"));
  CHECK(status_text::of_wait(Error(ErrorCode::kUnavailable, "first sync")).code() == StatusCode::kUnavailable);
  CHECK(status_text::rate_limited("/S/M").message() == "rate limit exceeded for /S/M");
}

TEST_CASE("The names of what the public socket serves") {
  CHECK(api_names(true, true) == "Workload and SDS APIs");
  CHECK(api_names(true, false) == "Workload API");
  CHECK(api_names(false, true) == "SDS API");
}
