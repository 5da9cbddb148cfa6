// What the stock agent's admin socket answered to delegated calls, asked again over both engines. The recordings name
// callers and targets by uid; processes named by number are the test's own.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <set>

#include "agent/admin/delegated_identity.h"
#include "spire/api/agent/delegatedidentity/v1/delegatedidentity.pb.h"
#include "tests/fakes/endpoint_world.h"
#include "tests/fakes/fake_identity_source.h"
#include "tests/fakes/fake_jwt_source.h"
#include "tests/fakes/recorded_calls.h"
#include "tests/fakes/test_authority.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using steeple::attestation::Selectors;
using Json = RecordedCall::Json;
namespace api = spire::api::agent::delegatedidentity::v1;

namespace {

class UidAttestor final : public steeple::attestation::WorkloadAttestor {
 public:
  explicit UidAttestor(const int& uid) : uid_(uid) {}
  std::string_view name() const override { return "unix"; }
  Task<Result<Selectors>> attest(const ProcessHandle&, Deadline, StopToken) override {
    co_return Selectors({{"unix", "uid:" + std::to_string(uid_)}});
  }

 private:
  const int& uid_;
};

steeple::attestation::WorkloadEngine::Attestors attestors_of(const int& uid) {
  steeple::attestation::WorkloadEngine::Attestors attestors;
  attestors.push_back(std::make_unique<UidAttestor>(uid));
  return attestors;
}

class DelegatedWorld {
 public:
  explicit DelegatedWorld(Backend backend)
      : engine_(loop_, attestors_of(uid_), log_),
        callers_(engine_),
        identities_(loop_),
        feed_(loop_),
        service_(callers_, identities_, tokens_, feed_, {"spiffe://example.org/workload/root"}, clock_, log_) {
    add(0, "r", "/workload/root");
    add(3001, "k", "/workload/one");
    add(3002, "a", "/workload/two-a", "internal");
    add(3002, "b", "/workload/two-b", "external", {partner_.bundle()});
    add(3004, "a", "/workload/dup-a", "same");
    add(3004, "b", "/workload/dup-b", "same");
    add(3006, "a", "/workload/down").downstream = true;
    add(3006, "b", "/workload/admin").admin = true;
    add(3006, "c", "/workload/plain6");
    add(3007, "d", "/workload/fed", "", {partner_.bundle(), third_.bundle()});
    identities_.set_chooser([this](const Selectors& selectors) { return update(selectors); });
    BundleSet bundles(authority_.bundle());
    bundles.set_federated(partner_.bundle());
    bundles.set_federated(third_.bundle());
    bundles.set_federated(std::make_shared<Bundle>(*TrustDomain::parse("forge.test")));
    feed_.set(bundles);
    service_.add_to(table_);
    world_ = std::make_unique<EndpointWorld>(loop_, backend, table_, log_);
  }
  CallOutcome make(const RecordedCall& call) {
    uid_ = call.json.get<int>("caller_uid");
    return run_until_done(loop_, make_recorded_call(world_->channel(), call));
  }

 private:
  struct Owned {
    int uid;
    std::shared_ptr<RegistrationEntry> entry;
    SharedX509Svid svid;
    std::vector<SharedBundle> federated;
  };
  RegistrationEntry& add(int uid, const char* id, const char* path, const char* hint = "",
                         std::vector<SharedBundle> federated = {}) {
    auto entry = std::make_shared<RegistrationEntry>(authority_.identity(id, path, hint).entry());
    owned_.push_back({uid, entry, authority_.svid(path), std::move(federated)});
    return *entry;
  }
  FakeIdentitySource::Update update(const Selectors& selectors) const {
    std::map<std::string, Identity> identities;
    std::map<TrustDomain, SharedBundle> federated;
    for (const Owned& one : owned_) {
      if (!selectors.contains({"unix", "uid:" + std::to_string(one.uid)})) continue;
      identities.emplace(one.entry->id, Identity(one.entry, one.svid));
      for (const SharedBundle& bundle : one.federated) federated[bundle->trust_domain()] = bundle;
    }
    std::vector<Identity> sorted;
    std::vector<SharedBundle> bundles;
    for (auto& [id, identity] : identities) sorted.push_back(std::move(identity));
    for (auto& [trust_domain, bundle] : federated) bundles.push_back(std::move(bundle));
    return authority_.update(std::move(sorted), std::move(bundles));
  }

  Loop loop_;
  SystemClock clock_;
  Logger log_;
  int uid_ = 0;
  TestAuthority authority_{"example.org"}, partner_{"partner.test"}, third_{"third.test"};
  std::vector<Owned> owned_;
  steeple::attestation::WorkloadEngine engine_;
  CallerAttestor callers_;
  FakeIdentitySource identities_;
  FakeJwtSource tokens_;
  BundleFeed feed_;
  DelegatedIdentityService service_;
  steeple::runtime::grpc::ServiceTable table_;
  std::unique_ptr<EndpointWorld> world_;
};

std::int32_t recorded_pid(const std::string& id) {
  if (id == "x509-pid-none") return 0x7ffffff0;
  return id == "x509-pid-negative" ? -5 : ::getpid();
}

template <class Request>
void fill_target(const RecordedCall& call, Request& request) {
  if (auto selectors = call.json.get_child_optional("request.selectors")) {
    for (const auto& [unused, one] : *selectors) {
      auto* selector = request.add_selectors();
      selector->set_type(one.get<std::string>("type"));
      selector->set_value(one.get<std::string>("value"));
    }
  }
  if (call.json.get_optional<std::string>("request.pid")) request.set_pid(recorded_pid(call.id()));
}

std::string request_of(const RecordedCall& call) {
  if (call.path().ends_with("FetchJWTSVIDs")) {
    api::FetchJWTSVIDsRequest request;
    if (auto audience = call.json.get_child_optional("request.audience"))
      for (const auto& [unused, one] : *audience) request.add_audience(one.get_value<std::string>());
    fill_target(call, request);
    return request.SerializeAsString();
  }
  api::SubscribeToX509SVIDsRequest request;
  fill_target(call, request);
  return request.SerializeAsString();
}

using Served = std::vector<std::pair<std::string, std::string>>;  // path, hint

template <class Message>
Message decoded(const CallOutcome& outcome) {
  Message message;
  REQUIRE(message.ParseFromArray(outcome.message->data(), static_cast<int>(outcome.message->size())));
  return message;
}

void check_x509_svids(const CallOutcome& outcome, const Json& recorded) {
  const auto response = decoded<api::SubscribeToX509SVIDsResponse>(outcome);
  Served expected, served;
  if (auto svids = recorded.get_child_optional("x509_svids"))
    for (const auto& [unused, one] : *svids)
      expected.emplace_back(one.get<std::string>("x509_svid.id.path"), one.get<std::string>("x509_svid.hint", ""));
  for (const auto& one : response.x509_svids()) {
    served.emplace_back(one.x509_svid().id().path(), one.x509_svid().hint());
    CHECK(one.x509_svid().id().trust_domain() == "example.org");
    REQUIRE(one.x509_svid().cert_chain_size() == 1);
    auto leaf = Certificate::parse(as_bytes(one.x509_svid().cert_chain(0)));
    REQUIRE(leaf);
    CHECK(leaf->uri_sans() == std::vector<std::string>{"spiffe://example.org" + one.x509_svid().id().path()});
    CHECK(one.x509_svid().expires_at() == std::chrono::system_clock::to_time_t(leaf->not_after()));
    CHECK(X509Svid::make(leaf->der(), *PrivateKey::from_pkcs8(as_bytes(one.x509_svid_key()))));
  }
  CHECK(served == expected);
  std::vector<std::string> federates, recorded_federates;
  for (const auto& one : response.federates_with()) federates.push_back(one);
  if (auto list = recorded.get_child_optional("federates_with"))
    for (const auto& [unused, one] : *list) recorded_federates.push_back(one.get_value<std::string>());
  CHECK(federates == recorded_federates);
}

void check_jwt_svids(const CallOutcome& outcome, const Json& recorded) {
  const auto response = decoded<api::FetchJWTSVIDsResponse>(outcome);
  Served expected, served;
  for (const auto& [unused, one] : recorded.get_child("svids"))
    expected.emplace_back(one.get<std::string>("id.path"), one.get<std::string>("hint", ""));
  for (const auto& one : response.svids()) {
    served.emplace_back(one.id().path(), one.hint());
    CHECK(one.token() == "token for spiffe://example.org" + one.id().path());
    CHECK(one.expires_at() == one.issued_at() + 300);
  }
  CHECK(served == expected);
}

template <class Map>
void check_bundles(const Map& bundles, const Json& recorded, const std::string& empty) {
  std::set<std::string> expected, told;
  for (const auto& [id, unused] : recorded) expected.insert(id);
  for (const auto& [id, bytes] : bundles) {
    told.insert(id);
    CHECK((bytes == empty) == (id == "spiffe://forge.test"));
  }
  expected.insert({"spiffe://forge.test", "spiffe://partner.test", "spiffe://third.test"});
  CHECK(told == expected);
}

void check_message(const RecordedCall& call, const CallOutcome& outcome, const Json& recorded) {
  if (call.path().ends_with("SubscribeToX509SVIDs")) check_x509_svids(outcome, recorded);
  if (call.path().ends_with("FetchJWTSVIDs")) check_jwt_svids(outcome, recorded);
  if (call.path().ends_with("SubscribeToX509Bundles")) {
    const auto response = decoded<api::SubscribeToX509BundlesResponse>(outcome);
    check_bundles(response.ca_certificates(), recorded.get_child("ca_certificates"), "");
  }
  if (call.path().ends_with("SubscribeToJWTBundles")) {
    const auto response = decoded<api::SubscribeToJWTBundlesResponse>(outcome);
    for (const auto& [id, keys] : response.bundles()) CHECK(keys.starts_with("{\n    \"keys\": "));
    CHECK(response.bundles().contains("spiffe://example.org"));
  }
}

}  // namespace

TEST_CASE("Delegated calls are answered as recorded") {
  auto calls = read_recorded_calls(std::string(STEEPLE_TEST_DATA) + "/admin/delegated-identity.jsonl");
  REQUIRE(calls.size() > 40);
  std::size_t replayed = 0;
  for (Backend backend : available_backends()) {
    DelegatedWorld world(backend);
    for (RecordedCall& call : calls) {
      if (call.id() == "on-public-socket") continue;  // another socket
      INFO(call.id());
      if (!call.json.get_child_optional("request_bytes_hex"))
        call.encoded_request = to_bytes(as_bytes(request_of(call)));
      const CallOutcome outcome = world.make(call);
      ++replayed;
      if (!call.code().empty()) {
        REQUIRE(outcome.status);
        CHECK(to_string(outcome.status->code()) == call.code());
        CHECK(outcome.status->message() == call.message());
      }
      const Json* recorded = call.first_message();
      REQUIRE((recorded != nullptr) == outcome.message.has_value());
      if (recorded) check_message(call, outcome, *recorded);
    }
  }
  CHECK(replayed >= calls.size() - 1);
}
