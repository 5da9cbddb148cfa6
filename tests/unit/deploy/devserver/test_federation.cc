#include <catch2/catch.hpp>

#include "deploy/devserver/config/config.h"
#include "deploy/devserver/federation/refresh_schedule.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/federationrelationship.pb.h"

using namespace steeple;
using namespace steeple::devserver;
using spire::api::types::FederationRelationship;
using std::chrono::seconds;

namespace {

FederationTarget web(const std::string& url) {
  FederationTarget target;
  target.url = url;
  return target;
}

std::string refusal(FederationRelationship relationship) {
  auto checked = check_relationship(relationship, nullptr);
  return checked ? "" : checked.error().message();
}

runtime::Result<DevServerConfig> parse(const std::string& federation) {
  return parse_config("server { trust_domain = \"example.org\" data_dir = \"/d\" federation { " + federation +
                      " } }\nplugins { DataStore \"sql\" { plugin_data { database_type = \"sqlite3\" "
                      "connection_string = \"/d/db\" } } KeyManager \"memory\" { plugin_data {} } }");
}

std::string config_refusal(const std::string& federation) {
  auto config = parse(federation);
  return config ? "" : config.error().message();
}

}  // namespace

TEST_CASE("A new or changed target is due at once, and one that runs is not due again") {
  RefreshSchedule schedule;
  runtime::SteadyTime now{};
  auto changes = schedule.set_targets({{"a.test", web("https://a")}, {"b.test", web("https://b")}}, now);
  CHECK(changes.added == std::vector<std::string>{"a.test", "b.test"});
  CHECK(schedule.take_due(now) == std::vector<std::string>{"a.test", "b.test"});
  CHECK(schedule.take_due(now + seconds(100)).empty());
  schedule.finished("a.test", now + seconds(75));
  CHECK(schedule.next(now + seconds(500)) == now + seconds(75));
  CHECK(schedule.take_due(now + seconds(74)).empty());
  // Changed while it runs: due again as soon as that ended, whatever the delay would have been.
  changes = schedule.set_targets({{"a.test", web("https://a")}, {"b.test", web("https://other")}}, now + seconds(1));
  CHECK(changes.changed == std::vector<std::string>{"b.test"});
  schedule.finished("b.test", now + seconds(300));
  CHECK(schedule.take_due(now + seconds(1)) == std::vector<std::string>{"b.test"});
  changes = schedule.set_targets({}, now);
  CHECK(changes.removed == std::vector<std::string>{"a.test", "b.test"});
  schedule.finished("b.test", now);  // gone meanwhile
  CHECK(schedule.next(now + seconds(9)) == now + seconds(9));
}

TEST_CASE("A bundle is asked for at a quarter of its hint") {
  agent::Bundle bundle(*agent::TrustDomain::parse("a.test"));
  CHECK(refresh_delay(nullptr, kRefreshHintMin) == seconds(60));
  CHECK(refresh_delay(&bundle, kRefreshHintMin) == seconds(300));
  bundle.set_refresh_hint(seconds(400));
  CHECK(refresh_delay(&bundle, kRefreshHintMin) == seconds(100));
  bundle.set_refresh_hint(seconds(1));
  CHECK(refresh_delay(&bundle, kRefreshHintMin) == seconds(15));
}

TEST_CASE("A relationship is checked in SPIRE's words") {
  FederationRelationship good;
  good.set_trust_domain("spiffe://other.test");
  good.set_bundle_endpoint_url("https://other.test/bundle");
  good.mutable_https_web();
  CHECK(refusal(good).empty());
  FederationRelationship bad = good;
  bad.set_bundle_endpoint_url("http://other.test");
  CHECK(refusal(bad) == "bundle endpoint URL must use the https scheme");
  bad.set_bundle_endpoint_url("https://me@other.test");
  CHECK(refusal(bad) == "bundle endpoint URL must not contain user info");
  bad = good;
  bad.mutable_https_spiffe()->set_endpoint_spiffe_id("other.test");
  CHECK(refusal(bad).starts_with("failed to parse endpoint SPIFFE ID: "));
  bad = good;
  bad.mutable_trust_domain_bundle()->set_trust_domain("third.test");
  CHECK(refusal(bad) ==
        "trust domain bundle (\"third.test\") must match the trust domain of the federation relationship "
        "(\"other.test\")");
}

TEST_CASE("server.conf: the federation block") {
  auto config = parse(R"(
      bundle_endpoint { address = "127.0.0.1" port = 8443 refresh_hint = "10m" profile { https_spiffe {} } }
      federates_with "one.test" {
        bundle_endpoint_url = "https://one.test"
        bundle_endpoint_profile { https_spiffe { endpoint_spiffe_id = "spiffe://one.test/spire/server" } }
      }
      federates_with "two.test" { bundle_endpoint_url = "https://two.test" bundle_endpoint_profile { https_web {} } })");
  INFO((config ? std::string() : config.error().message()));
  REQUIRE(config);
  CHECK(config->federation.endpoint->port == 8443);
  CHECK(config->federation.endpoint->refresh_hint == seconds(600));
  REQUIRE(config->federation.federates_with.size() == 2);
  CHECK(config->federation.federates_with.at("one.test").endpoint_id->text() == "spiffe://one.test/spire/server");
  CHECK_FALSE(config->federation.federates_with.at("two.test").endpoint_id);
  auto contains = [](const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; };
  CHECK(contains(config_refusal("bundle_endpoint { port = 1 acme {} }"), "acme"));
  CHECK(contains(config_refusal("bundle_endpoint { port = 1 profile { https_web {} } }"), "'serving_cert_file'"));
  CHECK(contains(config_refusal("federates_with \"a.test\" { bundle_endpoint_url = \"http://a\" }"),
                 "must use the HTTPS protocol; URL found: \"http://a\""));
  CHECK(contains(config_refusal("federates_with \"a.test\" { bundle_endpoint_url = \"https://a\" }"),
                 "missing bundle endpoint configuration"));
}
