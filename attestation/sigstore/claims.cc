#include "attestation/sigstore/claims.h"

#include <simdjson.h>

#include "attestation/sigstore/shortened.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
namespace dom = simdjson::dom;

namespace {

Error malformed(simdjson::error_code error) {
  return Error(ErrorCode::kMalformed, std::string("unable to read the payload: ") + simdjson::error_message(error));
}

}  // namespace

Result<void> check_signed_digest(std::string_view payload, std::string_view image_digest) {
  dom::parser parser;
  dom::element document;
  if (auto error = parser.parse(payload.data(), payload.size()).get(document)) return malformed(error);
  std::string_view digest;
  bool found = !document["critical"]["image"]["docker-manifest-digest"].get_string().get(digest);
  if (found && !digest.empty() && digest == image_digest) return {};
  return Error(ErrorCode::kUnauthenticated, "invalid or missing digest in claim: " + shortened(digest));
}

Result<void> check_statement_subject(std::string_view statement, std::string_view image_digest) {
  constexpr std::string_view kAlgorithm = "sha256:";
  dom::parser parser;
  dom::element document;
  if (auto error = parser.parse(statement.data(), statement.size()).get(document)) return malformed(error);
  dom::array subjects;
  Error none(ErrorCode::kUnauthenticated, "no matching subject digest found");
  if (document["subject"].get_array().get(subjects)) return none;
  if (!image_digest.starts_with(kAlgorithm)) return none;
  image_digest.remove_prefix(kAlgorithm.size());
  std::size_t count = 0;
  for (dom::element subject : subjects) {
    if (++count > kStatementSubjectsMax) return Error(ErrorCode::kLimit, "too many subjects in the statement");
    std::string_view digest;
    if (!subject["digest"]["sha256"].get_string().get(digest) && !digest.empty() && digest == image_digest) return {};
  }
  return none;
}

}  // namespace steeple::attestation
