// Exchanges whose agent's side was Go's encoding/json, crypto/rsa and crypto/ecdsa: payload, challenge and response as
// they went over the wire.
#include <simdjson.h>
#include <catch2/catch.hpp>

#include "attestation/node/x509pop/messages.h"
#include "attestation/node/x509pop/proof.h"
#include "tests/unit/attestation/node/x509pop_files.h"

namespace steeple::attestation::x509pop {

namespace {

std::string field(simdjson::dom::element line, const char* name) {
  return std::string(line[name].get_string().value());
}

}  // namespace

TEST_CASE("Go's x509pop messages are read, verified and written back byte for byte") {
  simdjson::dom::parser parser;
  std::string text = pop_text("exchanges.jsonl");
  int exchanges = 0;
  std::size_t at = 0;
  while (at < text.size()) {
    std::size_t end = text.find('\n', at);
    simdjson::dom::element line = parser.parse(text.substr(at, end - at));
    at = end + 1;
    INFO(field(line, "id"));
    std::string payload = field(line, "payload");
    std::string challenge = field(line, "challenge");
    std::string response = field(line, "response");
    auto data = parse_attestation_data(runtime::as_bytes(payload)).value();
    auto asked = parse_challenge(runtime::as_bytes(challenge)).value();
    auto answered = parse_response(runtime::as_bytes(response)).value();
    CHECK(data.certificates.front() == pop_certificate(field(line, "leaf")));
    CHECK(verify_response(data.certificates.front(), asked, answered));
    CHECK(runtime::as_text(format_attestation_data(data)) == payload);
    CHECK(runtime::as_text(format_challenge(asked)) == challenge);
    CHECK(runtime::as_text(format_response(answered)) == response);
    ++exchanges;
  }
  CHECK(exchanges == 5);
}

}  // namespace steeple::attestation::x509pop
