// The JSON form of an X509SVIDResponse: every field, keys sorted, bytes in base64, one line (config-cli 4.2).
#include <fmt/format.h>

#include <map>

#include "agent/cli/json_print.h"
#include "agent/cli/x509_response.h"
#include "spiffe/workload/workload.pb.h"

namespace steeple::agent::cli {
runtime::Result<std::string> json_x509_response(runtime::BytesView message) {
  ::X509SVIDResponse raw;
  if (!raw.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return runtime::Error(runtime::ErrorCode::kMalformed, "failed to parse the response");
  }
  std::vector<std::string> crl;
  for (const std::string& list : raw.crl()) crl.push_back(json_bytes(list));
  std::vector<std::string> bundles;
  const std::map<std::string, std::string> sorted(raw.federated_bundles().begin(), raw.federated_bundles().end());
  for (const auto& [id, der] : sorted) bundles.push_back(json_quote(id) + ":" + json_bytes(der));
  std::vector<std::string> svids;
  for (const ::X509SVID& svid : raw.svids()) {
    svids.push_back(fmt::format(R"({{"bundle":{},"hint":{},"spiffe_id":{},"x509_svid":{},"x509_svid_key":{}}})",
                                json_bytes(svid.bundle()), json_quote(svid.hint()), json_quote(svid.spiffe_id()),
                                json_bytes(svid.x509_svid()), json_bytes(svid.x509_svid_key())));
  }
  return fmt::format("{{\"crl\":[{}],\"federated_bundles\":{{{}}},\"svids\":[{}]}}\n", fmt::join(crl, ","),
                     fmt::join(bundles, ","), fmt::join(svids, ","));
}

}  // namespace steeple::agent::cli
