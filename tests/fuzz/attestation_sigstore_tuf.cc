// Metadata of an update repository: any bytes give metadata or an error, nothing that nobody has signed is believed,
// and neither are bytes that differ from the signed ones.
#include <cstdint>
#include <cstdlib>

#include "attestation/sigstore/tuf/tuf_client.h"
#include "runtime/core/bytes.h"

using namespace steeple::attestation;
namespace runtime = steeple::runtime;

namespace {

constexpr std::string_view kRoot =
    R"({"signatures":[{"keyid":"a","sig":"00"}],"signed":{"_type":"root","expires":"2055-01-01T00:00:00Z","keys":)"
    R"({"a":{"keytype":"ed25519","keyval":{"public":)"
    R"("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a"},"scheme":"ed25519"}},"roles":{"root":)"
    R"({"keyids":["a"],"threshold":1},"snapshot":{"keyids":["a"],"threshold":1},"targets":{"keyids":["a"],)"
    R"("threshold":1},"timestamp":{"keyids":["a"],"threshold":1}},"version":1}})";

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = runtime::as_text(runtime::BytesView(data, size));
  static const TufMetadata* root = new TufMetadata(parse_tuf_metadata(kRoot).value());
  const auto metadata = parse_tuf_metadata(text);
  if (!metadata) return 0;
  if (metadata->signatures.size() > kTufItemsMax || metadata->targets.size() > kTufItemsMax) std::abort();
  for (const TufRole role : {TufRole::kRoot, TufRole::kTimestamp, TufRole::kSnapshot, TufRole::kTargets}) {
    if (verify_tuf_signatures(*metadata, *root, role)) std::abort();  // the key is nobody's here
  }
  static_cast<void>(TufClient::open({{"root.json", std::string(text)}}, kRoot));
  return 0;
}
