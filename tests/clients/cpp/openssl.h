// OpenSSL's objects with owners, and its errors as exceptions.
#pragma once

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <memory>
#include <stdexcept>
#include <string>

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

using Bignum = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Certificate = std::unique_ptr<X509, Freed<X509_free>>;
using EcdsaSignature = std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>>;
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using Store = std::unique_ptr<X509_STORE, Freed<X509_STORE_free>>;

inline std::string openssl_error(const std::string& what) {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  ERR_clear_error();
  return reason == nullptr ? what : what + ": " + reason;
}

// Throws when `good` is not: OpenSSL's functions give 1, or an object.
template <typename T>
T required(T good, const std::string& what) {
  if (!good) throw std::runtime_error(openssl_error(what));
  return good;
}
