#include "runtime/tls/tls_error.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include "runtime/os/file.h"
#include "runtime/tls/openssl_handles.h"

namespace steeple::runtime {

std::string_view tls_alert_text(int alert) {
  switch (alert) {
    case 10:
      return "unexpected message";
    case 20:
      return "bad record MAC";
    case 22:
      return "record overflow";
    case 40:
      return "handshake failure";
    case 42:
      return "bad certificate";
    case 43:
      return "unsupported certificate";
    case 44:
      return "revoked certificate";
    case 45:
      return "expired certificate";
    case 46:
      return "unknown certificate";
    case 47:
      return "illegal parameter";
    case 48:
      return "unknown certificate authority";
    case 49:
      return "access denied";
    case 50:
      return "error decoding message";
    case 51:
      return "error decrypting message";
    case 70:
      return "protocol version not supported";
    case 71:
      return "insufficient security level";
    case 80:
      return "internal error";
    case 90:
      return "user canceled";
    case 112:
      return "unrecognized name";
    case 116:
      return "certificate required";
    case 120:
      return "no application protocol";
    default:
      return {};
  }
}

Error tls_error(int ssl_error, int error_number) {
  unsigned long number = ERR_peek_error();
  if (ssl_error == SSL_ERROR_SYSCALL) {
    clear_openssl_errors();
    if (error_number == 0) return Error(ErrorCode::kClosed, "EOF");
    return Error(ErrorCode::kClosed, go_errno_text(error_number));
  }
  int reason = ERR_GET_REASON(number);
  if (ERR_GET_LIB(number) == ERR_LIB_SSL) {
    if (reason == SSL_R_UNEXPECTED_EOF_WHILE_READING) {
      clear_openssl_errors();
      return Error(ErrorCode::kClosed, "EOF");
    }
    // OpenSSL numbers the alerts it receives from SSL_AD_REASON_OFFSET on.
    std::string_view alert = reason >= SSL_AD_REASON_OFFSET ? tls_alert_text(reason - SSL_AD_REASON_OFFSET) : "";
    if (!alert.empty()) {
      clear_openssl_errors();
      return Error(ErrorCode::kTls, "remote error: tls: " + std::string(alert));
    }
    if (reason == SSL_R_WRONG_VERSION_NUMBER || reason == SSL_R_HTTP_REQUEST) {
      clear_openssl_errors();
      return Error(ErrorCode::kTls, "tls: first record does not look like a TLS handshake");
    }
  }
  return openssl_error(ErrorCode::kTls, "tls");
}

}  // namespace steeple::runtime
