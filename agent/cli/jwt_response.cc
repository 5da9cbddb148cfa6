#include "agent/cli/jwt_response.h"

#include <fmt/format.h>

#include <map>
#include <vector>

#include "agent/cli/json_print.h"
#include "spiffe/workload/workload.pb.h"

namespace steeple::agent::cli {
namespace {

using runtime::BytesView;
using runtime::Result;

template <class Message>
Result<Message> parse(BytesView bytes) {
  Message message;
  if (message.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return message;
  return runtime::Error(runtime::ErrorCode::kMalformed, "failed to parse the response");
}

std::map<std::string, std::string> sorted(const ::JWTBundlesResponse& response) {
  return {response.bundles().begin(), response.bundles().end()};
}

}  // namespace

Result<std::string> pretty_jwt_response(BytesView svids, BytesView bundles) {
  STEEPLE_TRY(tokens, parse<::JWTSVIDResponse>(svids));
  STEEPLE_TRY(keys, parse<::JWTBundlesResponse>(bundles));
  std::string out;
  for (const ::JWTSVID& svid : tokens.svids()) {
    out += fmt::format("token({}):\n\t{}\n", svid.spiffe_id(), svid.svid());
    if (!svid.hint().empty()) out += fmt::format("hint({}):\n\t{}\n", svid.spiffe_id(), svid.hint());
  }
  for (const auto& [id, document] : sorted(keys)) out += fmt::format("bundle({}):\n\t{}\n", id, document);
  return out;
}

Result<std::string> json_jwt_response(BytesView svids, BytesView bundles) {
  STEEPLE_TRY(tokens, parse<::JWTSVIDResponse>(svids));
  STEEPLE_TRY(keys, parse<::JWTBundlesResponse>(bundles));
  std::vector<std::string> token_texts;
  for (const ::JWTSVID& svid : tokens.svids()) {
    token_texts.push_back(fmt::format(R"({{"hint":{},"spiffe_id":{},"svid":{}}})", json_quote(svid.hint()),
                                      json_quote(svid.spiffe_id()), json_quote(svid.svid())));
  }
  std::vector<std::string> bundle_texts;
  for (const auto& [id, document] : sorted(keys)) bundle_texts.push_back(json_quote(id) + ":" + json_bytes(document));
  return fmt::format("[{{\"svids\":[{}]}},{{\"bundles\":{{{}}}}}]\n", fmt::join(token_texts, ","),
                     fmt::join(bundle_texts, ","));
}

Result<std::string> pretty_validation(BytesView message) {
  STEEPLE_TRY(response, parse<::ValidateJWTSVIDResponse>(message));
  return fmt::format("SVID is valid.\nSPIFFE ID : {}\nClaims    : {}\n", response.spiffe_id(),
                     json_struct(response.claims(), JsonStyle::kProtoJson));
}

Result<std::string> json_validation(BytesView message) {
  STEEPLE_TRY(response, parse<::ValidateJWTSVIDResponse>(message));
  return fmt::format("{{\"claims\":{},\"spiffe_id\":{}}}\n", json_struct(response.claims(), JsonStyle::kEncodingJson),
                     json_quote(response.spiffe_id()));
}

}  // namespace steeple::agent::cli
