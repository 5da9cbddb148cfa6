// Bundles as the command line reads and prints them: PEM of the X.509 authorities, or the SPIFFE bundle document
// (cmd/spire-server/cli/bundle). Foreign input is bounded by the reader of its file. Pure.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace spire::api::types {
class Bundle;
}

namespace steeple::devserver {

enum class BundleFormat { kPem, kSpiffe };

// "pem" (also for an empty text) or "spiffe", any case. kInvalidArgument: `invalid format: "x"`.
runtime::Result<BundleFormat> parse_bundle_format(std::string text);
runtime::Result<std::string> format_bundle(const spire::api::types::Bundle& bundle, BundleFormat format);
// `id` is a trust domain's name or SPIFFE ID; PEM leaves it to the server to look at it.
runtime::Result<spire::api::types::Bundle> parse_bundle(std::string_view text, BundleFormat format,
                                                        const std::string& id);

}  // namespace steeple::devserver
