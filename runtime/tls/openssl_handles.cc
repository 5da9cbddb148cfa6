#include "runtime/tls/openssl_handles.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

namespace steeple::runtime {

void OpensslFree::operator()(bignum_st* number) const { BN_clear_free(number); }
void OpensslFree::operator()(bio_st* bio) const { BIO_free_all(bio); }
void OpensslFree::operator()(evp_md_ctx_st* context) const { EVP_MD_CTX_free(context); }
void OpensslFree::operator()(evp_pkey_ctx_st* context) const { EVP_PKEY_CTX_free(context); }
void OpensslFree::operator()(evp_pkey_st* key) const { EVP_PKEY_free(key); }
void OpensslFree::operator()(pkcs8_priv_key_info_st* info) const { PKCS8_PRIV_KEY_INFO_free(info); }
void OpensslFree::operator()(ssl_ctx_st* context) const { SSL_CTX_free(context); }
void OpensslFree::operator()(ssl_st* connection) const { SSL_free(connection); }
void OpensslFree::operator()(x509_st* certificate) const { X509_free(certificate); }
void OpensslFree::operator()(X509_req_st* request) const { X509_REQ_free(request); }
void OpensslFree::operator()(x509_store_ctx_st* context) const { X509_STORE_CTX_free(context); }

Error openssl_error(ErrorCode code, std::string_view doing) {
  unsigned long number = ERR_get_error();
  const char* reason = number != 0 ? ERR_reason_error_string(number) : nullptr;
  Error error(code, std::string(doing) + ": " + (reason != nullptr ? reason : "unknown reason"));
  ERR_clear_error();
  return error;
}

void clear_openssl_errors() { ERR_clear_error(); }

}  // namespace steeple::runtime
