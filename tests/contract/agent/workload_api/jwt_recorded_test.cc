// What the stock agent answered to the JWT calls, and what it said of tokens of every kind, asked again of ours.
#include <openssl/ec.h>
#include <openssl/x509.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <regex>
#include <set>

#include "agent/spiffe/json_value.h"
#include "google/protobuf/struct.pb.h"
#include "runtime/tls/encoding.h"
#include "spiffe/workload/workload.pb.h"
#include "tests/contract/agent/workload_api/recorded_world.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;

namespace {

Bytes encoded(const google::protobuf::MessageLite& message) { return to_bytes(as_bytes(message.SerializeAsString())); }

Bytes request_of(const RecordedCall& call) {
  if (call.path() == kFetchJwtSvidMethod) {
    JWTSVIDRequest request;
    request.set_spiffe_id(call.json.get<std::string>("request.spiffeId", ""));
    if (auto audience = call.json.get_child_optional("request.audience")) {
      for (const auto& [unused, name] : *audience) request.add_audience(name.get_value<std::string>());
    }
    return encoded(request);
  }
  ValidateJWTSVIDRequest request;
  request.set_audience(call.json.get<std::string>("request.audience", ""));
  request.set_svid(call.json.get<std::string>("request.svid", ""));
  return encoded(request);
}

void check_status(const RecordedCall& call, const CallOutcome& outcome) {
  if (call.code().empty()) {
    CHECK_FALSE(outcome.status);
    return;
  }
  REQUIRE(outcome.status);
  CHECK(to_string(outcome.status->code()) == call.code());
  CHECK(outcome.status->message() == call.message());
}

void check_svids(const RecordedCall::Json& recorded, const Bytes& message) {
  JWTSVIDResponse response;
  REQUIRE(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
  const RecordedCall::Json& svids = recorded.get_child("svids");
  REQUIRE(static_cast<std::size_t>(response.svids_size()) == svids.size());
  int i = 0;
  for (const auto& [unused, svid] : svids) {
    std::string id = svid.get<std::string>("spiffe_id");
    CHECK(response.svids(i).spiffe_id() == id);
    CHECK(response.svids(i).svid() == "token for " + id);
    CHECK(response.svids(i).hint() == svid.get<std::string>("hint", ""));
    ++i;
  }
}

std::string blanked(std::string text) {
  text = std::regex_replace(text, std::regex(R"("kid": "[^"]*")"), R"("kid": "<KID>")");
  return std::regex_replace(text, std::regex(R"re("([xy])": "[\w-]*")re"), R"("$1": "<B64URL>")");
}

void check_bundles(const RecordedCall::Json& recorded, const Bytes& message) {
  JWTBundlesResponse response;
  REQUIRE(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
  const RecordedCall::Json& bundles = recorded.get_child("bundles");
  REQUIRE(response.bundles().size() == bundles.size());
  for (const auto& [trust_domain, document] : bundles) {
    REQUIRE(response.bundles().contains(trust_domain));
    std::string expected = document.get_value<std::string>();
    expected = expected.substr(6, expected.size() - 7);  // "<JSON ...>"
    CHECK(blanked(response.bundles().at(trust_domain)) == expected);
  }
}

PrivateKey p521_key() {
  EVP_PKEY* key = EVP_EC_gen("P-521");
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(key);
  unsigned char* der = nullptr;
  int size = i2d_PKCS8_PRIV_KEY_INFO(info, &der);
  PrivateKey loaded = *PrivateKey::from_pkcs8(BytesView(der, static_cast<std::size_t>(size)));
  OPENSSL_free(der);
  PKCS8_PRIV_KEY_INFO_free(info);
  EVP_PKEY_free(key);
  return loaded;
}

// Makes the tokens that the recording describes.
class Forge {
 public:
  Forge()
      : keys_{{"p256", *PrivateKey::generate(KeyType::kEcP256)},
              {"p384", *PrivateKey::generate(KeyType::kEcP384)},
              {"p521", p521_key()},
              {"rsa", *PrivateKey::generate(KeyType::kRsa2048)},
              {"other", *PrivateKey::generate(KeyType::kEcP256)}} {}

  void publish(RecordedEntries& entries) const {
    for (const char* id : {"p256", "p384", "p521", "rsa"}) entries.forge.add_jwt_key(id, keys_.at(id));
    entries.authority.add_jwt_key("own", keys_.at("p256"));
  }

  std::string own_token() const {
    return token(R"({"alg":"ES256","kid":"own","typ":"JWT"})",
                 times(R"({"aud":["db"],"exp":"now+300","iat":"now+0","sub":"spiffe://example.org/workload/one"})"),
                 "p256", "ES256");
  }

  // `line`: one of the recording, as it was read.
  std::string token_of(const std::string& line) const {
    JsonText text = *parse_json(line);
    if (const JsonValue* svid = find_member(text.root, "svid")) {
      return *svid->text() == "<TOKEN>" ? own_token() : *svid->text();
    }
    const JsonValue& header = *find_member(text.root, "header");
    const JsonValue& claims = *find_member(text.root, "claims");
    const JsonValue* algorithm = find_member(header, "alg");
    std::string payload = times(claims.text() ? *claims.text() : raw(text.root, "claims", line));
    std::string made = token(raw(text.root, "header", line), payload, *find_member(text.root, "signing_key")->text(),
                             algorithm ? *algorithm->text() : "ES256");
    return altered(*find_member(text.root, "id")->text(), made);
  }

 private:
  static std::string raw(const JsonValue& root, std::string_view name, const std::string& line) {
    for (const JsonMember& member : *root.object()) {
      if (member.name == name) return line.substr(member.begin, member.end - member.begin);
    }
    return {};
  }

  // "now+30" -> a number; <UNIX> -> a time to come.
  static std::string times(std::string text) {
    auto now = std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch());
    std::smatch found;
    static const std::regex kTime(R"re("now([+-][0-9.]+)")re");
    while (std::regex_search(text, found, kTime)) {
      double seconds = static_cast<double>(now.count()) + std::stod(found[1].str());
      text = found.prefix().str() + fmt::format("{:.1f}", seconds) + found.suffix().str();
    }
    return std::regex_replace(text, std::regex("<UNIX>"), std::to_string(now.count() + 3600));
  }

  std::string token(std::string_view header, std::string_view payload, const std::string& key_name,
                    const std::string& algorithm) const {
    std::string text = base64url_encode(as_bytes(header)) + "." + base64url_encode(as_bytes(payload));
    const PrivateKey& key = keys_.at(key_name);
    const bool rsa = is_rsa(key.type());
    const std::string bits = algorithm.size() == 5 ? algorithm.substr(2) : "256";
    const bool pss = algorithm.starts_with("PS");
    SignatureScheme scheme = SignatureScheme::kEcdsaSha256;
    std::size_t size = 32;
    if (bits == "256") scheme = !rsa ? scheme : pss ? SignatureScheme::kRsaPssSha256 : SignatureScheme::kRsaPkcs1Sha256;
    if (bits == "384") {
      size = 48;
      scheme = !rsa  ? SignatureScheme::kEcdsaSha384
               : pss ? SignatureScheme::kRsaPssSha384
                     : SignatureScheme::kRsaPkcs1Sha384;
    }
    if (bits == "512") {
      size = 66;
      scheme = !rsa  ? SignatureScheme::kEcdsaSha512
               : pss ? SignatureScheme::kRsaPssSha512
                     : SignatureScheme::kRsaPkcs1Sha512;
    }
    Bytes signature = *key.sign(scheme, as_bytes(text));
    if (!rsa) {
      EcdsaSignature parts = *split_ecdsa_signature(signature);
      signature.assign(2 * size, 0);
      std::copy(parts.r.rbegin(), parts.r.rend(), signature.rbegin() + static_cast<std::ptrdiff_t>(size));
      std::copy(parts.s.rbegin(), parts.s.rend(), signature.rbegin());
    }
    return text + "." + base64url_encode(signature);
  }

  static std::string altered(const std::string& id, std::string token) {
    std::size_t last = token.rfind('.');
    if (id == "sig-padding") return token + "==";
    if (id == "sig-truncated") return token.substr(0, token.size() - 4);
    if (id == "sig-empty") return token.substr(0, last + 1);
    if (id == "trailing-newline") return token + "\n";
    if (id == "leading-space") return " " + token;
    if (id == "payload-changed") {
      std::size_t first = token.find('.');
      std::string payload = to_text(*base64url_decode(token.substr(first + 1, last - first - 1)));
      payload.replace(payload.find("forge.test/x"), 12, "forge.test/z");
      return token.substr(0, first + 1) + base64url_encode(as_bytes(payload)) + token.substr(last);
    }
    return token;
  }

  std::map<std::string, PrivateKey> keys_;
};

std::set<std::string> names_of(const google::protobuf::Struct& claims) {
  std::set<std::string> names;
  for (const auto& [name, value] : claims.fields()) names.insert(name);
  return names;
}

void check_claims(const std::string& line, const Bytes& message) {
  ValidateJWTSVIDResponse response;
  REQUIRE(response.ParseFromArray(message.data(), static_cast<int>(message.size())));
  JsonText text = *parse_json(line);
  const JsonValue& recorded = (*find_member(*find_member(text.root, "response"), "messages")->array()).front();
  CHECK(response.spiffe_id() == *find_member(recorded, "spiffe_id")->text());
  const JsonValue& claims = *find_member(recorded, "claims");
  std::set<std::string> names;
  for (const JsonMember& claim : *claims.object()) names.insert(claim.name);
  CHECK(names_of(response.claims()) == names);
  const auto& audience = response.claims().fields().at("aud").list_value();
  const JsonValue::Array& expected = *find_member(claims, "aud")->array();
  REQUIRE(static_cast<std::size_t>(audience.values_size()) == expected.size());
  for (int i = 0; i < audience.values_size(); ++i) {
    CHECK(audience.values(i).string_value() == *expected[static_cast<std::size_t>(i)].text());
  }
  CHECK(response.claims().fields().at("exp").number_value() > 0);
}

}  // namespace

TEST_CASE("The JWT methods of the Workload API answer as recorded") {
  std::vector<RecordedCall> calls = read_recorded_calls(std::string(STEEPLE_TEST_DATA) + "/grpc/jwt.jsonl");
  REQUIRE(calls.size() >= 40);
  for (Backend backend : available_backends()) {
    RecordedWorld world(backend);
    for (TestAuthority* one : {&world.entries.authority, &world.entries.partner, &world.entries.third}) {
      one->add_jwt_key("key", *PrivateKey::generate(KeyType::kEcP256));
    }
    for (RecordedCall& call : calls) {
      INFO(call.id());
      if (call.path() != kFetchJwtBundlesMethod) call.encoded_request = request_of(call);
      CallOutcome outcome = world.make(call);
      check_status(call, outcome);
      const RecordedCall::Json* recorded = call.first_message();
      REQUIRE((recorded != nullptr) == outcome.message.has_value());
      if (!recorded) continue;
      if (call.path() == kFetchJwtSvidMethod) check_svids(*recorded, *outcome.message);
      if (call.path() == kFetchJwtBundlesMethod) check_bundles(*recorded, *outcome.message);
    }
  }
}

TEST_CASE("ValidateJWTSVID judges tokens as recorded") {
  Forge forge;
  RecordedWorld world(available_backends().front());
  forge.publish(world.entries);
  std::ifstream in(std::string(STEEPLE_TEST_DATA) + "/grpc/validate-jwt-svid.jsonl");
  int count = 0;
  for (std::string line; std::getline(in, line); ++count) {
    // What identifies the method and the request is not recorded with these.
    RecordedCall call(line);
    INFO(call.id());
    call.json.put("method", std::string(kValidateJwtSvidMethod));
    ValidateJWTSVIDRequest request;
    request.set_audience(call.json.get<std::string>("audience", "db"));
    request.set_svid(forge.token_of(line));
    call.encoded_request = encoded(request);
    CallOutcome outcome = world.make(call);
    check_status(call, outcome);
    if (outcome.message) check_claims(line, *outcome.message);
  }
  CHECK(count >= 90);
}
