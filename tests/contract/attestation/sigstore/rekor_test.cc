// What cosign of SPIRE Agent 1.15.3 asks a Rekor with, and what it makes of answers (all of them with a good signed
// entry timestamp).
#include <simdjson.h>
#include <catch2/catch.hpp>

#include <fstream>

#include "attestation/sigstore/rekor_answer.h"
#include "attestation/sigstore/rekor_query.h"
#include "attestation/sigstore/tuf/canonical_json.h"

using namespace steeple::attestation;
using namespace steeple::runtime;

namespace {

std::string field(simdjson::dom::element line, const char* name) {
  return std::string(line[name].get_string().value());
}

template <class Take>
int each_line(const std::string& kind, Take take) {
  std::ifstream file(std::string(STEEPLE_TEST_DATA) + "/sigstore/rekor_exchanges.jsonl");
  simdjson::dom::parser parser;
  int count = 0;
  for (std::string text; std::getline(file, text);) {
    simdjson::dom::element line = parser.parse(text);
    if (field(line, "kind") != kind) continue;
    take(line);
    ++count;
  }
  return count;
}

std::string canonical(const std::string& json) {
  simdjson::dom::parser parser;
  return canonical_json(parser.parse(json)).value();
}

Result<void> anything(const RekorEntry&) { return {}; }

}  // namespace

TEST_CASE("cosign's queries to Rekor, but for blanks and the order of members") {
  const int queries = each_line("query", [](simdjson::dom::element line) {
    SignedLayer layer;
    layer.annotations = {{kSignatureAnnotation, field(line, "signature")},
                         {kCertificateAnnotation, field(line, "certificate")}};
    layer.payload = field(line, "payload");
    const std::string recorded = field(line, "query");
    const std::string start = "POST /api/v1/log/entries/retrieve\n";
    REQUIRE(recorded.starts_with(start));
    CHECK(canonical(rekor_query(layer).value()) == canonical(recorded.substr(start.size())));
  });
  CHECK(queries == 3);
}

TEST_CASE("answers of Rekor that cosign accepts and refuses") {
  const int answers = each_line("answer", [](simdjson::dom::element line) {
    INFO(field(line, "name"));
    LogKey key;
    key.id = field(line, "log_id");
    const auto entries = parse_rekor_answer(field(line, "answer"));
    REQUIRE(entries);
    const auto earliest = earliest_entry(*entries, {key}, anything);
    CHECK((earliest ? std::to_string(earliest->integrated_time) : "refused") == field(line, "outcome"));
  });
  CHECK(answers == 21);
}
