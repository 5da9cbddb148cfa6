// What the stock agent answered to SDS requests, asked again of the state machine and of the one-time answer.
#include <simdjson.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <map>

#include "agent/sds/sds_api.h"
#include "agent/sds/sds_stream.h"
#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "tests/fakes/endpoint_world.h"
#include "tests/fakes/fake_identity_source.h"
#include "tests/fakes/recorded_calls.h"
#include "tests/fakes/test_authority.h"

using namespace steeple::agent;
using namespace steeple::tests;
using simdjson::dom::element;
using steeple::attestation::WorkloadEngine;
using steeple::runtime::Backend;
using steeple::runtime::BytesView;
using steeple::runtime::Certificates;
using steeple::runtime::Logger;
using steeple::runtime::Loop;
using steeple::runtime::parse_certificates_pem;
using steeple::runtime::grpc::Status;
namespace tls3 = envoy::extensions::transport_sockets::tls::v3;
using envoy::service::discovery::v3::DiscoveryRequest;
using envoy::service::discovery::v3::DiscoveryResponse;

namespace {

const std::string kTls3 = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3";

std::string text_of(element json, const char* key) {
  std::string_view text;
  if (json[key].get(text) != simdjson::SUCCESS) return {};
  std::string result(text);
  if (result.starts_with("<TLS3>")) result = kTls3 + result.substr(6);
  return result;
}

// The entries of the recordings, by uid.
class RecordedEntries {
 public:
  std::shared_ptr<const WorkloadUpdate> update(int uid) const {
    auto id = [&](const char* entry, const char* path, const char* hint = "") {
      return authority.identity(entry, path, hint);
    };
    switch (uid) {
      case 3001:
        return authority.update({id("a", "/workload/one")});
      case 3002:
        return authority.update({id("a", "/workload/two-a", "internal"), id("b", "/workload/two-b", "external")},
                                {partner.bundle()});
      case 3004:
        return authority.update({id("a", "/workload/dup-a", "same"), id("b", "/workload/dup-b", "same")});
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

void set_metadata(element recorded, google::protobuf::Value& value) {
  switch (recorded.type()) {
    case simdjson::dom::element_type::BOOL:
      return value.set_bool_value(bool(recorded));
    case simdjson::dom::element_type::STRING:
      return value.set_string_value(std::string(std::string_view(recorded)));
    case simdjson::dom::element_type::INT64:
      return value.set_number_value(static_cast<double>(std::int64_t(recorded)));
    default:
      return value.set_null_value(google::protobuf::NULL_VALUE);
  }
}

void set_node(element recorded, envoy::config::core::v3::Node& node) {
  element part;
  if (recorded["userAgentBuildVersion"]["version"].get(part) == simdjson::SUCCESS) {
    auto* version = node.mutable_user_agent_build_version()->mutable_version();
    version->set_major_number(static_cast<std::uint32_t>(std::uint64_t(part["majorNumber"])));
    version->set_minor_number(static_cast<std::uint32_t>(std::uint64_t(part["minorNumber"])));
  }
  if (recorded["userAgentVersion"].get(part) == simdjson::SUCCESS)
    node.set_user_agent_version(std::string(std::string_view(part)));
  if (recorded["metadata"].get(part) != simdjson::SUCCESS) return;
  for (auto [key, value] : simdjson::dom::object(part))
    set_metadata(value, (*node.mutable_metadata()->mutable_fields())[std::string(key)]);
}

SdsRequest request_of(element recorded, const std::map<std::string, std::string>& nonces) {
  DiscoveryRequest request;
  element part;
  if (recorded["resourceNames"].get(part) == simdjson::SUCCESS)
    for (element name : simdjson::dom::array(part)) request.add_resource_names(std::string(std::string_view(name)));
  request.set_type_url(text_of(recorded, "typeUrl"));
  request.set_version_info(text_of(recorded, "versionInfo"));
  std::string nonce = text_of(recorded, "responseNonce");
  if (auto known = nonces.find(nonce); known != nonces.end()) nonce = known->second;
  request.set_response_nonce(nonce);
  if (recorded["node"].get(part) == simdjson::SUCCESS) set_node(part, *request.mutable_node());
  if (recorded["errorDetail"].get(part) == simdjson::SUCCESS)
    request.mutable_error_detail()->set_message(text_of(part, "message"));
  const std::string bytes = request.SerializeAsString();
  std::optional<SdsRequest> parsed = SdsRequest::parse(steeple::runtime::as_bytes(bytes));
  REQUIRE(parsed);
  return *parsed;
}

// "<PEM CERTIFICATE: leaf spiffe://...>" or "<PEM CERTIFICATE: CA spiffe://...>": whose certificate it is.
void check_pem(const std::string& pem, std::string_view described) {
  auto certificates = parse_certificates_pem(pem);
  REQUIRE(certificates);
  REQUIRE(certificates->size() == 1);
  REQUIRE(certificates->front().uri_sans().size() == 1);
  const std::string kind = certificates->front().is_ca() ? "CA " : "leaf ";
  // DNS names, where the recording's entry had some, come first; ours have none.
  CHECK(described.starts_with("<PEM CERTIFICATE: " + kind));
  CHECK(described.ends_with(certificates->front().uri_sans()[0] + ">"));
}

void check_validator(const tls3::CertificateValidationContext& context, element trust_domains) {
  CHECK(context.custom_validator_config().name() == "envoy.tls.cert_validator.spiffe");
  CHECK(context.custom_validator_config().typed_config().type_url() == kTls3 + ".SPIFFECertValidatorConfig");
  tls3::SPIFFECertValidatorConfig config;
  REQUIRE(config.ParseFromString(context.custom_validator_config().typed_config().value()));
  simdjson::dom::object expected(trust_domains);
  REQUIRE(static_cast<std::size_t>(config.trust_domains_size()) == expected.size());
  int i = 0;
  for (auto [name, pem] : expected) {
    CHECK(config.trust_domains(i).name() == name);
    check_pem(config.trust_domains(i++).trust_bundle().inline_bytes(), std::string_view(pem));
  }
}

void check_secret(const tls3::Secret& secret, element recorded) {
  CHECK(secret.name() == text_of(recorded, "name"));
  element part;
  if (recorded["tls_certificate"].get(part) == simdjson::SUCCESS) {
    REQUIRE(secret.has_tls_certificate());
    check_pem(secret.tls_certificate().certificate_chain().inline_bytes(),
              text_of(part["certificate_chain"], "inline_bytes"));
    CHECK(secret.tls_certificate().private_key().inline_bytes().starts_with("-----BEGIN PRIVATE KEY-----\n"));
    return;
  }
  REQUIRE(secret.has_validation_context());
  element context = recorded["validation_context"];
  if (context["<SPIFFE VALIDATOR>"].get(part) == simdjson::SUCCESS) {
    CHECK_FALSE(secret.validation_context().has_trusted_ca());
    check_validator(secret.validation_context(), part);
  } else if (context["trusted_ca"].get(part) == simdjson::SUCCESS) {
    CHECK_FALSE(secret.validation_context().has_custom_validator_config());
    check_pem(secret.validation_context().trusted_ca().inline_bytes(), text_of(part, "inline_bytes"));
  }
}

void check_response(const SdsAnswer& answer, element recorded, const std::string& type_url) {
  DiscoveryResponse response;
  REQUIRE(response.ParseFromArray(answer.message.view().data() + 5, static_cast<int>(answer.message.size() - 5)));
  CHECK(response.version_info() == text_of(recorded, "version_info"));
  CHECK(response.nonce() == answer.nonce);
  CHECK(response.type_url() == type_url);
  element list;
  std::size_t expected = recorded["resources"].get(list) == simdjson::SUCCESS ? simdjson::dom::array(list).size() : 0;
  REQUIRE(static_cast<std::size_t>(response.resources_size()) == expected);
  if (expected == 0) return;
  int i = 0;
  for (element resource : simdjson::dom::array(list)) {
    CHECK(response.resources(i).type_url() == kTls3 + ".Secret");
    tls3::Secret secret;
    REQUIRE(secret.ParseFromString(response.resources(i++).value()));
    check_secret(secret, resource);
  }
}

void check_status(const Status& status, element recorded) {
  CHECK(std::string(to_string(status.code())) == text_of(recorded, "code"));
  CHECK(status.message() == text_of(recorded, "message"));
}

template <class Check>
std::size_t for_each_line(const std::string& file, Check check) {
  std::ifstream in(std::string(STEEPLE_TEST_DATA) + "/sds/" + file);
  std::size_t lines = 0;
  for (std::string line; std::getline(in, line); ++lines) {
    simdjson::dom::parser parser;
    element recorded = parser.parse(simdjson::padded_string(line));
    INFO(text_of(recorded, "id"));
    check(recorded);
  }
  return lines;
}

// One recorded step that says what came back: a response, nothing, or the end of the stream.
void check_step(SdsStream& stream, element step, const SdsRequest& last, std::map<std::string, std::string>& nonces) {
  element ended;
  if (step["stream_ended"].get(ended) == simdjson::SUCCESS) {
    if (text_of(ended["status"], "code") == "OK") return;  // a half-close, which is the handler's
    REQUIRE(stream.wants_to_send());
    auto answer = stream.next();
    REQUIRE_FALSE(answer);
    return check_status(answer.error(), ended["status"]);
  }
  element response = step["response"];
  if (response.is_null()) {
    CHECK_FALSE(stream.wants_to_send());
    return;
  }
  REQUIRE(stream.wants_to_send());
  auto answer = stream.next();
  REQUIRE(answer);
  CHECK(answer->nonce.size() == 8);
  for (const auto& [unused, sent] : nonces) CHECK(sent != answer->nonce);
  nonces[text_of(response, "nonce")] = answer->nonce;
  check_response(*answer, response, last.type_url);
}

void check_fetch(const SdsResponses& responses, std::shared_ptr<const WorkloadUpdate> update, element recorded) {
  const SdsRequest request = request_of(recorded["request"], {});
  SdsQuestion question{std::move(update),
                       wanted_names(request.names),
                       uses_spiffe_validator(request.node, responses.options()),
                       {},
                       request.type_url};
  auto answer = responses.answer_once(question);
  element response;
  if (recorded["result"]["response"].get(response) == simdjson::SUCCESS) {
    REQUIRE(answer);
    CHECK(answer->nonce.empty());
    check_response(*answer, response, request.type_url);
  } else {
    REQUIRE_FALSE(answer);
    check_status(answer.error(), recorded["result"]["status"]);
  }
}

// What the cache made of the recorded events, update by update; the last one of each run is all that follows.
class RecordedUpdates {
 public:
  using Updates = std::vector<std::shared_ptr<const WorkloadUpdate>>;
  Updates of_run(std::string_view name) const {
    const Identity root = authority_.identity("a", "/a2/root");
    const auto alone = authority_.update({root});
    if (name == "named-identity-deleted") {
      const auto third = authority_.update({root, authority_.identity("b", "/a2/third")});
      return {alone, alone, third, alone};
    }
    if (name != "everything") return {alone};
    const SharedX509Svid old_svid = authority_.svid("/a2/second");
    const Identity second = with_svid("/a2/second", old_svid);
    const Identity between = with_svid("/a2/renamed", old_svid);  // until the new certificate is signed
    const Identity renamed = authority_.identity("b", "/a2/renamed");
    const auto federated = authority_.update({root, second}, {partner_.bundle()});
    return {alone,
            alone,
            authority_.update({root, second}),
            federated,
            federated,
            authority_.update({root, between}),
            authority_.update({root, renamed}),
            alone};
  }

 private:
  Identity with_svid(const char* path, SharedX509Svid svid) const {
    return Identity(std::make_shared<RegistrationEntry>(authority_.identity("b", path).entry()), std::move(svid));
  }
  TestAuthority authority_{"example.org"};
  TestAuthority partner_{"partner.test"};
};

void check_run(SdsResponses& responses, const RecordedUpdates::Updates& updates, element steps) {
  SdsStream stream(responses);
  std::map<std::string, std::string> nonces;
  SdsRequest last;
  std::size_t given = 0;
  for (element step : simdjson::dom::array(steps)) {
    element part;
    if (step["send"].get(part) == simdjson::SUCCESS) {
      last = request_of(part, nonces);
      stream.on_request(last);
    }
    const bool ends = step["stream_ended"].error() == simdjson::SUCCESS;
    if (!ends && step["response"].get(part) != simdjson::SUCCESS) continue;
    const std::size_t version = !ends && !part.is_null() ? std::stoul(text_of(part, "version_info")) : given + 1;
    while (given < std::min(version, updates.size()) && (ends || !part.is_null())) stream.on_update(updates[given++]);
    check_step(stream, step, last, nonces);
  }
}

}  // namespace

TEST_CASE("StreamSecrets answers step by step as recorded") {
  RecordedEntries entries;
  SdsResponses responses(SdsOptions{});
  std::size_t lines = for_each_line("stream-secrets.jsonl", [&](element recorded) {
    SdsStream stream(responses);
    stream.on_update(entries.update(static_cast<int>(std::int64_t(recorded["uid"]))));
    std::map<std::string, std::string> nonces;
    SdsRequest last;
    for (element step : simdjson::dom::array(recorded["steps"])) {
      element sent;
      if (step["send"].get(sent) != simdjson::SUCCESS) {
        if (step["response"].error() == simdjson::SUCCESS || step["stream_ended"].error() == simdjson::SUCCESS)
          check_step(stream, step, last, nonces);
        continue;
      }
      last = request_of(sent, nonces);
      stream.on_request(last);
    }
  });
  CHECK(lines == 21);
}

TEST_CASE("FetchSecrets chooses and encodes as recorded") {
  RecordedEntries entries;
  SdsResponses responses(SdsOptions{});
  std::size_t lines = for_each_line("fetch-secrets.jsonl", [&](element recorded) {
    check_fetch(responses, entries.update(static_cast<int>(std::int64_t(recorded["uid"]))), recorded);
  });
  CHECK(lines > 90);
}

TEST_CASE("Plain validation contexts, and an unreachable name for all bundles, are as recorded") {
  RecordedEntries entries;
  SdsOptions options;
  options.disable_spiffe_cert_validation = true;
  options.default_all_bundles_name = "ROOTCA";
  SdsResponses responses(options);
  std::size_t lines = for_each_line("disable-spiffe-cert-validation.jsonl",
                                    [&](element recorded) { check_fetch(responses, entries.update(3003), recorded); });
  CHECK(lines == 6);
}

TEST_CASE("Updates of a stream's entries, and other default names, are answered as recorded") {
  const RecordedUpdates updates;
  SdsOptions options;
  options.default_svid_name = "svid";
  options.default_bundle_name = "root";
  options.default_all_bundles_name = "every";
  SdsResponses responses(options);
  simdjson::dom::parser parser;
  element recorded = parser.load(std::string(STEEPLE_TEST_DATA) + "/sds/updates-and-config.json");
  std::size_t runs = 0;
  for (auto [name, steps] : simdjson::dom::object(recorded["runs"])) {
    INFO(name);
    ++runs;
    check_run(responses, updates.of_run(name), steps);
  }
  CHECK(runs == 5);
}

TEST_CASE("Delta requests, garbage and unknown methods are refused as recorded") {
  const RecordedEntries entries;
  for (Backend backend : available_backends()) {
    Loop loop;
    Logger log;
    WorkloadEngine engine(loop, {}, log);
    CallerAttestor callers(engine);
    FakeIdentitySource identities(loop);
    identities.set_first(entries.update(3001));
    RateLimiter limits;
    SdsApi api(loop, callers, identities, limits, SdsOptions{}, log);
    steeple::runtime::grpc::ServiceTable table;
    api.add_to(table);
    EndpointWorld world(loop, backend, table, log);
    auto calls = read_recorded_calls(std::string(STEEPLE_TEST_DATA) + "/sds/other.jsonl");
    REQUIRE(calls.size() == 8);
    for (RecordedCall& call : calls) {
      INFO(call.id());
      if (call.json.get_child("request_bytes_hex").empty()) call.encoded_request.emplace();
      CallOutcome outcome = run_until_done(loop, make_recorded_call(world.channel(), call));
      REQUIRE(outcome.status);
      CHECK(to_string(outcome.status->code()) == call.code());
      CHECK(outcome.status->message() == call.message());
      CHECK(outcome.message.has_value() == (call.first_message() != nullptr));
    }
  }
}
