// Path verification, on OpenSSL's builder with Go's verdicts and texts.
#include <fmt/format.h>
#include <openssl/x509.h>
#include <openssl/x509_vfy.h>

#include "runtime/core/go_text.h"
#include "runtime/tls/find_chain.h"
#include "runtime/tls/openssl_handles.h"
#include "runtime/tls/x509.h"

namespace steeple::runtime {
namespace {

constexpr std::string_view kUnknownAuthority = "x509: certificate signed by unknown authority";

// A stack that borrows the certificates of a list.
class BorrowedStack {
 public:
  explicit BorrowedStack(const Certificates& certificates) : stack_(sk_X509_new_null()) {
    for (const Certificate& certificate : certificates) sk_X509_push(stack_, certificate.native());
  }
  ~BorrowedStack() { sk_X509_free(stack_); }
  BorrowedStack(const BorrowedStack&) = delete;
  BorrowedStack& operator=(const BorrowedStack&) = delete;
  STACK_OF(X509) * get() const { return stack_; }

 private:
  STACK_OF(X509) * stack_;
};

Result<void> check_validity(const Certificate& certificate, WallTime now) {
  constexpr std::string_view kExpired = "x509: certificate has expired or is not yet valid: current time";
  if (now < certificate.not_before()) {
    return Error(ErrorCode::kTls,
                 fmt::format("{} {} is before {}", kExpired, rfc3339(now), rfc3339(certificate.not_before())));
  }
  // Go counts the whole last second as valid.
  if (now > certificate.not_after()) {
    return Error(ErrorCode::kTls,
                 fmt::format("{} {} is after {}", kExpired, rfc3339(now), rfc3339(certificate.not_after())));
  }
  return {};
}

const Certificate* find(const Certificates& certificates, const X509* wanted) {
  for (const Certificate& certificate : certificates) {
    if (wanted != nullptr && X509_cmp(certificate.native(), wanted) == 0) return &certificate;
  }
  return nullptr;
}

// A root of the right name with another key: the trust domain's authority was replaced.
std::string unknown_authority_text(const Certificate& leaf, const Certificates& roots) {
  for (const Certificate& root : roots) {
    if (root.subject() != leaf.issuer()) continue;
    return fmt::format(
        "{} (possibly because of \"x509: signature verification failure\" while trying to verify candidate "
        "authority certificate {})",
        kUnknownAuthority, go_quote("serial:" + root.serial_decimal()));
  }
  return std::string(kUnknownAuthority);
}

bool is_missing_path(int reason) {
  switch (reason) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_CERT_UNTRUSTED:
      return true;
    default:
      return false;
  }
}

Error verdict(X509_STORE_CTX* context, const Certificate& leaf, const Certificates& intermediates,
              const Certificates& roots, WallTime now) {
  int reason = X509_STORE_CTX_get_error(context);
  const X509* at = X509_STORE_CTX_get_current_cert(context);
  clear_openssl_errors();
  if (is_missing_path(reason)) return Error(ErrorCode::kUntrusted, unknown_authority_text(leaf, roots));
  if (reason == X509_V_ERR_CERT_HAS_EXPIRED || reason == X509_V_ERR_CERT_NOT_YET_VALID) {
    const Certificate* found = find(intermediates, at);
    if (found == nullptr) found = find(roots, at);
    Result<void> validity = check_validity(found != nullptr ? *found : leaf, now);
    if (!validity) return std::move(validity.error());
  }
  return Error(ErrorCode::kTls, fmt::format("x509: {}", X509_verify_cert_error_string(reason)));
}

// The certificates of the path that was found, which are the caller's own.
Certificates path_of(X509_STORE_CTX* context, const Certificate& leaf, const Certificates& intermediates,
                     const Certificates& roots) {
  Certificates path{leaf};
  const STACK_OF(X509)* chain = X509_STORE_CTX_get0_chain(context);
  for (int i = 1; i < sk_X509_num(chain); ++i) {
    const Certificate* found = find(roots, sk_X509_value(chain, i));
    if (found == nullptr) found = find(intermediates, sk_X509_value(chain, i));
    if (found != nullptr) path.push_back(*found);
  }
  return path;
}

Result<Certificates> build_chain(const Certificate& leaf, const Certificates& intermediates, const Certificates& roots,
                                 WallTime now, int security_level) {
  STEEPLE_CHECK(check_validity(leaf, now));
  BorrowedStack untrusted(intermediates);
  BorrowedStack trusted(roots);
  OpensslPtr<X509_STORE_CTX> context(X509_STORE_CTX_new());
  if (!context || X509_STORE_CTX_init(context.get(), nullptr, leaf.native(), untrusted.get()) != 1) {
    return openssl_error(ErrorCode::kInternal, "x509: start verification");
  }
  X509_STORE_CTX_set0_trusted_stack(context.get(), trusted.get());
  X509_VERIFY_PARAM* parameters = X509_STORE_CTX_get0_param(context.get());
  // Every certificate of the bundle is an anchor, self-signed or not.
  X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN);
  X509_VERIFY_PARAM_set_depth(parameters, kChainDepthMax);
  X509_VERIFY_PARAM_set_time(parameters, std::chrono::system_clock::to_time_t(now));
  X509_VERIFY_PARAM_set_auth_level(parameters, security_level);
  if (X509_verify_cert(context.get()) == 1) {
    clear_openssl_errors();
    return path_of(context.get(), leaf, intermediates, roots);
  }
  return verdict(context.get(), leaf, intermediates, roots, now);
}

}  // namespace

Result<void> verify_chain(const Certificate& leaf, const Certificates& intermediates, const Certificates& roots,
                          WallTime now) {
  constexpr int kAnyDigest = -1;
  STEEPLE_CHECK(build_chain(leaf, intermediates, roots, now, kAnyDigest));
  return {};
}

Result<Certificates> find_chain(const Certificate& leaf, const Certificates& intermediates, const Certificates& roots,
                                WallTime now) {
  constexpr int kEightyBits = 1;  // OpenSSL's level: SHA-1 is below it
  return build_chain(leaf, intermediates, roots, now, kEightyBits);
}

bool is_signed_by(const Certificate& certificate, const Certificate& issuer) {
  EVP_PKEY* key = X509_get0_pubkey(issuer.native());
  bool is_signed = key != nullptr && X509_verify(certificate.native(), key) == 1;
  clear_openssl_errors();
  return is_signed;
}

}  // namespace steeple::runtime
