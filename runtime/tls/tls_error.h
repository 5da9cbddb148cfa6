// What went wrong on a TLS connection, in Go's words. For the sources of runtime/tls only.
#pragma once

#include <string_view>

#include "runtime/core/result.h"

namespace steeple::runtime {

// The text of an alert by its number: "bad certificate".
std::string_view tls_alert_text(int alert);

// From SSL_get_error()'s value, this thread's error queue (emptied) and errno. "remote error: tls: bad certificate" for
// an alert of the peer, "EOF" (kClosed) when the connection ended without close_notify.
Error tls_error(int ssl_error, int error_number);

}  // namespace steeple::runtime
