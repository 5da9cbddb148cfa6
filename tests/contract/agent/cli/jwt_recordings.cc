// What `api fetch jwt` and `api validate jwt` print, against the recorded output; the messages are made here.
#include <catch2/catch.hpp>

#include "agent/cli/json_print.h"
#include "agent/cli/jwt_response.h"
#include "google/protobuf/struct.pb.h"
#include "recordings.h"
#include "spiffe/workload/workload.pb.h"

using namespace steeple;
using namespace steeple::agent::cli;
using namespace steeple::tests;

namespace {

constexpr const char* kToken = "eyJhbGciOiJFUzI1NiJ9.e30.AAAA";
constexpr const char* kDocument =
    "{\n    \"keys\": [\n        {\n            \"kty\": \"EC\",\n            \"kid\": \"<KID>\",\n            "
    "\"crv\": "
    "\"P-256\",\n            \"x\": \"<B64URL>\",\n            \"y\": \"<B64URL>\"\n        }\n    ]\n}";

template <class Message>
runtime::Bytes bytes_of(const Message& message) {
  return runtime::to_bytes(runtime::as_bytes(message.SerializeAsString()));
}

void add(::JWTSVIDResponse& response, const std::string& path, const std::string& hint = "") {
  ::JWTSVID& svid = *response.add_svids();
  svid.set_spiffe_id("spiffe://example.org" + path);
  svid.set_svid(kToken);
  svid.set_hint(hint);
}

// The messages that the recorded caller got.
::JWTSVIDResponse svids_for(const std::string& recorded) {
  ::JWTSVIDResponse response;
  const auto has = [&](std::string_view text) { return recorded.find(text) != std::string::npos; };
  if (has("/workload/one")) add(response, "/workload/one");
  if (has("/workload/two-a")) add(response, "/workload/two-a", "internal");
  if (has("/workload/two-b")) add(response, "/workload/two-b", "external");
  if (has("/workload/dup-a")) add(response, "/workload/dup-a", "same");
  if (has("/workload/same")) {
    add(response, "/workload/same", "h1");
    add(response, "/workload/same", "h2");
  }
  return response;
}

::JWTBundlesResponse bundles_for(const std::string& recorded) {
  ::JWTBundlesResponse response;
  (*response.mutable_bundles())["spiffe://example.org"] = kDocument;
  if (recorded.find("partner.test") != std::string::npos) {
    (*response.mutable_bundles())["spiffe://partner.test"] = kDocument;
  }
  return response;
}

// The recorded order of bundles was chance; ours is sorted.
std::string with_sorted_bundles(std::string recorded) {
  const std::string partner = "bundle(spiffe://partner.test):\n\t" + std::string(kDocument) + "\n";
  const std::size_t at = recorded.find(partner);
  if (at == std::string::npos) return recorded;
  recorded.erase(at, partner.size());
  return recorded + partner;
}

}  // namespace

TEST_CASE("Fetched JWT-SVIDs are printed as recorded") {
  std::size_t compared = 0;
  for (const Recording& recording : load_recordings("fetch-jwt.jsonl", {{"<JWT>", kToken}})) {
    if (recording.exit != 0) continue;
    INFO(recording.id);
    const runtime::Bytes svids = bytes_of(svids_for(recording.out));
    const runtime::Bytes bundles = bytes_of(bundles_for(recording.out));
    if (recording.out.starts_with("[")) {
      INFO(*json_jwt_response(svids, bundles));
      CHECK(matches(*json_jwt_response(svids, bundles), recording.out));
    } else {
      CHECK(*pretty_jwt_response(svids, bundles) == with_sorted_bundles(recording.out));
    }
    ++compared;
  }
  CHECK(compared == 12);
}

TEST_CASE("A valid JWT-SVID is printed as recorded") {
  std::size_t compared = 0;
  for (const Recording& recording : load_recordings("validate-jwt.jsonl", {{"<UNIX>", "1786968000"}})) {
    if (recording.exit != 0) continue;
    INFO(recording.id);
    const bool foreign = recording.out.find("forge.test") != std::string::npos;
    const std::string id = foreign ? "spiffe://forge.test/x" : "spiffe://example.org/workload/one";
    ::ValidateJWTSVIDResponse response;
    response.set_spiffe_id(id);
    auto& claims = *response.mutable_claims()->mutable_fields();
    claims["sub"].set_string_value(id);
    claims["exp"].set_number_value(1786968000);
    if (!foreign) claims["iat"].set_number_value(1786968000);
    claims["aud"].mutable_list_value()->add_values()->set_string_value("db");
    if (recording.out.find("web") != std::string::npos) {
      claims["aud"].mutable_list_value()->add_values()->set_string_value("web");
    }
    const runtime::Bytes message = bytes_of(response);
    CHECK(*(recording.out.starts_with("{") ? json_validation(message) : pretty_validation(message)) == recording.out);
    ++compared;
  }
  CHECK(compared == 6);
}

TEST_CASE("Claims of every kind are printed as Go prints them") {
  google::protobuf::Struct claims;
  auto& fields = *claims.mutable_fields();
  fields["n"].set_null_value(google::protobuf::NULL_VALUE);
  fields["b"].set_bool_value(true);
  fields["s"].set_string_value("<a>\b\n\"");
  (*fields["o"].mutable_struct_value()->mutable_fields())["x"].set_number_value(1.5);
  CHECK(json_struct(claims, JsonStyle::kEncodingJson) ==
        R"({"b":true,"n":null,"o":{"x":1.5},"s":"\u003ca\u003e\u0008\n\""})");
  CHECK(json_struct(claims, JsonStyle::kProtoJson) == R"({"b":true,"n":null,"o":{"x":1.5},"s":"<a>\b\n\""})");
  CHECK(json_number(0) == "0");
  CHECK(json_number(-2500) == "-2500");
  CHECK(json_number(1e20) == "100000000000000000000");
  CHECK(json_number(1e21) == "1e+21");
  CHECK(json_number(1e-7) == "1e-7");
}

TEST_CASE("A JWT answer that is no protobuf message is refused") {
  const runtime::Bytes garbage = {0xFF, 0xFF, 0xFF};
  CHECK_FALSE(pretty_jwt_response(garbage, {}));
  CHECK_FALSE(json_jwt_response({}, garbage));
  CHECK_FALSE(pretty_validation(garbage));
  CHECK_FALSE(json_validation(garbage));
}
