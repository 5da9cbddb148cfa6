// The JSON form of an X509SVIDResponse: every field, keys sorted, bytes in base64, one line (config-cli 4.2).
#include <fmt/format.h>

#include <map>

#include "agent/cli/x509_response.h"
#include "runtime/tls/encoding.h"
#include "spiffe/workload/workload.pb.h"

namespace steeple::agent::cli {
namespace {

// As Go's encoding/json quotes: HTML characters and the two Unicode line ends are escaped.
std::string json_quote(std::string_view text) {
  std::string out = "\"";
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(text[i]);
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (c < 0x20 || c == '<' || c == '>' || c == '&') {
      out += fmt::format("\\u{:04x}", c);
    } else if (text.substr(i, 3) == "\xE2\x80\xA8" || text.substr(i, 3) == "\xE2\x80\xA9") {
      out += text[i + 2] == '\xA8' ? "\\u2028" : "\\u2029";
      i += 2;
    } else {
      out.push_back(text[i]);
    }
  }
  return out + "\"";
}

std::string bytes_value(const std::string& bytes) {
  return "\"" + runtime::base64_encode(runtime::as_bytes(bytes)) + "\"";
}

}  // namespace

runtime::Result<std::string> json_x509_response(runtime::BytesView message) {
  ::X509SVIDResponse raw;
  if (!raw.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return runtime::Error(runtime::ErrorCode::kMalformed, "failed to parse the response");
  }
  std::vector<std::string> crl;
  for (const std::string& list : raw.crl()) crl.push_back(bytes_value(list));
  std::vector<std::string> bundles;
  const std::map<std::string, std::string> sorted(raw.federated_bundles().begin(), raw.federated_bundles().end());
  for (const auto& [id, der] : sorted) bundles.push_back(json_quote(id) + ":" + bytes_value(der));
  std::vector<std::string> svids;
  for (const ::X509SVID& svid : raw.svids()) {
    svids.push_back(fmt::format(R"({{"bundle":{},"hint":{},"spiffe_id":{},"x509_svid":{},"x509_svid_key":{}}})",
                                bytes_value(svid.bundle()), json_quote(svid.hint()), json_quote(svid.spiffe_id()),
                                bytes_value(svid.x509_svid()), bytes_value(svid.x509_svid_key())));
  }
  return fmt::format("{{\"crl\":[{}],\"federated_bundles\":{{{}}},\"svids\":[{}]}}\n", fmt::join(crl, ","),
                     fmt::join(bundles, ","), fmt::join(svids, ","));
}

}  // namespace steeple::agent::cli
