// What both kinds of context have in common, and each of them.
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "runtime/tls/client_context.h"
#include "runtime/tls/openssl_handles.h"
#include "runtime/tls/server_context.h"
#include "runtime/tls/tls_stream.h"

namespace steeple::runtime {
namespace {

// Go's secure list without those that HTTP/2 forbids (server-sync 1.5).
constexpr char kTls12Ciphers[] =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-"
    "SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

void keep_verify_error(SSL* ssl, Error error) {
  if (auto* handshake = static_cast<TlsHandshake*>(SSL_get_app_data(ssl))) handshake->verify_error = std::move(error);
}

Result<std::vector<Bytes>> encode_chain(STACK_OF(X509) * chain) {
  std::vector<Bytes> out;
  for (int i = 0; i < sk_X509_num(chain); ++i) {
    unsigned char* der = nullptr;
    int size = i2d_X509(sk_X509_value(chain, i), &der);
    if (size <= 0) return openssl_error(ErrorCode::kTls, "encode peer certificate");
    out.emplace_back(der, der + size);
    OPENSSL_free(der);
  }
  return out;
}

// Replaces OpenSSL's own verification. The argument is the context's Verifier.
int verify_peer(X509_STORE_CTX* store, void* argument) {
  const auto& verifier = *static_cast<const Verifier*>(argument);
  SSL* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* handshake = static_cast<TlsHandshake*>(SSL_get_app_data(ssl));
  Result<std::vector<Bytes>> chain = encode_chain(X509_STORE_CTX_get0_untrusted(store));
  Result<void> verified = chain ? verifier(*chain) : Result<void>(std::move(chain.error()));
  if (!verified) {
    keep_verify_error(ssl, std::move(verified.error()));
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);  // the alert is bad_certificate, as Go's
    return 0;
  }
  if (handshake != nullptr) handshake->peer_certificates = std::move(*chain);
  return 1;
}

bool use_identity(SSL* ssl, const TlsIdentity& identity) {
  SSL_certs_clear(ssl);
  if (identity.chain.empty()) return false;
  OpensslPtr<X509> leaf;
  STACK_OF(X509)* rest = sk_X509_new_null();
  bool readable = true;
  for (const Bytes& der : identity.chain) {
    const unsigned char* at = der.data();
    X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(der.size()));
    if (certificate == nullptr) {
      readable = false;
    } else if (!leaf) {
      leaf.reset(certificate);
    } else {
      sk_X509_push(rest, certificate);
    }
  }
  bool used = readable && leaf && SSL_use_cert_and_key(ssl, leaf.get(), identity.key.native(), rest, 1) == 1;
  sk_X509_pop_free(rest, X509_free);
  return used;
}

int present_client_identity(SSL* ssl, void* argument) {
  const auto& provider = *static_cast<const IdentityProvider*>(argument);
  std::optional<TlsIdentity> identity = provider ? provider() : std::nullopt;
  if (!identity) return 1;
  return use_identity(ssl, *identity) ? 1 : 0;
}

int present_server_identity(SSL* ssl, void* argument) {
  std::optional<TlsIdentity> identity = (*static_cast<const IdentityProvider*>(argument))();
  return identity && use_identity(ssl, *identity) ? 1 : 0;
}

// ALPN wire form is a length byte and the name.
int select_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned offered_size, void* argument) {
  const auto& wanted = *static_cast<const std::string*>(argument);
  for (unsigned at = 0; at < offered_size; at += 1u + offered[at]) {
    if (at + 1u + offered[at] > offered_size) break;
    std::string_view name(reinterpret_cast<const char*>(offered) + at + 1, offered[at]);
    if (name != wanted) continue;
    *out = offered + at + 1;
    *out_size = offered[at];
    return SSL_TLSEXT_ERR_OK;
  }
  return SSL_TLSEXT_ERR_ALERT_FATAL;
}

Result<OpensslPtr<SSL_CTX>> common_context(const SSL_METHOD* method) {
  OpensslPtr<SSL_CTX> context(SSL_CTX_new(method));
  if (!context || SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context.get(), kTls12Ciphers) != 1) {
    return openssl_error(ErrorCode::kInternal, "make TLS context");
  }
  SSL_CTX_set_options(context.get(), SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(context.get(), 0);
  SSL_CTX_set_mode(context.get(),
                   SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  return context;
}

}  // namespace

Result<std::shared_ptr<TlsClientContext>> TlsClientContext::make(Options options) {
  if (!options.verifier) return Error(ErrorCode::kInvalidArgument, "TLS client without a verifier");
  if (options.alpn.size() > 255) return Error(ErrorCode::kInvalidArgument, "ALPN protocol name is too long");
  STEEPLE_TRY(context, common_context(TLS_client_method()));
  std::shared_ptr<TlsClientContext> made(new TlsClientContext(std::move(options), context.release()));
  SSL_CTX* native = made->context_;
  SSL_CTX_set_verify(native, SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_cert_verify_callback(native, verify_peer, &made->options_.verifier);
  SSL_CTX_set_cert_cb(native, present_client_identity, &made->options_.identity);
  if (made->options_.tls13_only) SSL_CTX_set_min_proto_version(native, TLS1_3_VERSION);
  if (!made->options_.alpn.empty()) {
    Bytes wire{static_cast<std::uint8_t>(made->options_.alpn.size())};
    wire.insert(wire.end(), made->options_.alpn.begin(), made->options_.alpn.end());
    if (SSL_CTX_set_alpn_protos(native, wire.data(), static_cast<unsigned>(wire.size())) != 0) {
      return openssl_error(ErrorCode::kInternal, "make TLS context");
    }
  }
  return made;
}

TlsClientContext::~TlsClientContext() { SSL_CTX_free(context_); }

Result<std::shared_ptr<TlsServerContext>> TlsServerContext::make(Options options) {
  if (!options.verifier || !options.identity) {
    return Error(ErrorCode::kInvalidArgument, "TLS server without a verifier or an identity");
  }
  STEEPLE_TRY(context, common_context(TLS_server_method()));
  std::shared_ptr<TlsServerContext> made(new TlsServerContext(std::move(options), context.release()));
  SSL_CTX* native = made->context_;
  int mode = made->options_.ask_client_certificate ? SSL_VERIFY_PEER : SSL_VERIFY_NONE;
  if (made->options_.require_client_certificate) mode = SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
  SSL_CTX_set_verify(native, mode, nullptr);
  SSL_CTX_set_cert_verify_callback(native, verify_peer, &made->options_.verifier);
  SSL_CTX_set_cert_cb(native, present_server_identity, &made->options_.identity);
  if (!made->options_.alpn.empty()) SSL_CTX_set_alpn_select_cb(native, select_protocol, &made->options_.alpn);
  return made;
}

TlsServerContext::~TlsServerContext() { SSL_CTX_free(context_); }

}  // namespace steeple::runtime
