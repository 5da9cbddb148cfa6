// What the stock agent answered on its public socket, asked again of ours over both engines.
#include <catch2/catch.hpp>
#include <set>

#include "spiffe/workload/workload.pb.h"
#include "tests/contract/agent/workload_api/recorded_world.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;

namespace {

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
    RecordedWorld world(backend);
    for (const RecordedCall& call : calls) check(call, world.make(call));
  }
}

}  // namespace

TEST_CASE("The security header is judged as recorded") { check_file("security-header.jsonl", 17); }

TEST_CASE("The X.509 methods of the Workload API answer as recorded") { check_file("workload-api.jsonl", 20); }
