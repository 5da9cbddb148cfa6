// A BIO over a connected socket that never raises SIGPIPE. Does not own the descriptor. For the sources of runtime/tls
// only.
#pragma once

#include "runtime/tls/openssl_handles.h"

namespace steeple::runtime {

OpensslPtr<bio_st> make_socket_bio(int fd);

}  // namespace steeple::runtime
