// The path of a certificate to a root, for who needs its members: whom a certificate was issued by, and until when they
// count. Pure function, any thread.
#pragma once

#include "runtime/tls/x509.h"

namespace steeple::runtime {

// As verify_chain, with its errors. The path is leaf first and root last. Signatures over MD5 or SHA-1 are refused on
// it, as Go refuses them.
Result<Certificates> find_chain(const Certificate& leaf, const Certificates& intermediates, const Certificates& roots,
                                WallTime now);

}  // namespace steeple::runtime
