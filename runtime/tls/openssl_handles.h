// Owners of OpenSSL objects and the text of its error queue. For the sources of runtime/tls only.
#pragma once

#include <memory>
#include <string_view>

#include "runtime/core/result.h"

struct bignum_st;
struct bio_st;
struct evp_md_ctx_st;
struct evp_pkey_ctx_st;
struct evp_pkey_st;
struct pkcs8_priv_key_info_st;
struct ssl_ctx_st;
struct ssl_st;
struct x509_st;
struct X509_req_st;
struct x509_store_ctx_st;

namespace steeple::runtime {

struct OpensslFree {
  void operator()(bignum_st* number) const;  // cleared
  void operator()(bio_st* bio) const;
  void operator()(evp_md_ctx_st* context) const;
  void operator()(evp_pkey_ctx_st* context) const;
  void operator()(evp_pkey_st* key) const;
  void operator()(pkcs8_priv_key_info_st* info) const;
  void operator()(ssl_ctx_st* context) const;
  void operator()(ssl_st* connection) const;
  void operator()(x509_st* certificate) const;
  void operator()(X509_req_st* request) const;
  void operator()(x509_store_ctx_st* context) const;
};
template <class T>
using OpensslPtr = std::unique_ptr<T, OpensslFree>;

// "DOING: REASON" from the oldest entry of this thread's error queue, which is emptied.
Error openssl_error(ErrorCode code, std::string_view doing);
void clear_openssl_errors();

}  // namespace steeple::runtime
