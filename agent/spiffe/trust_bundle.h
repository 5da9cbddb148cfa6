// The trust bundle an agent starts from: a file or a download, in one of two formats (server-sync 1.2). Pure.
#pragma once

#include <string_view>

#include "runtime/tls/x509.h"

namespace steeple::agent {

enum class TrustBundleFormat { kPem, kSpiffe };
// `invalid value for trust_bundle_format, expected "pem" or "spiffe"`; empty is pem.
runtime::Result<TrustBundleFormat> parse_trust_bundle_format(std::string_view text);

// At least one certificate, or `no certificates found in trust bundle`.
runtime::Result<runtime::Certificates> parse_trust_bundle(TrustBundleFormat format, std::string_view content);

}  // namespace steeple::agent
