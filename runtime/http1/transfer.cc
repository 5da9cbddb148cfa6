#include "runtime/http1/transfer.h"

#include <fmt/format.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>

#include "runtime/os/file.h"

namespace steeple::runtime {
namespace {

constexpr std::size_t kStatusLineMax = 512;
constexpr long kKeepAliveSeconds = 15;

// Points into `text`, which outlives the handle's use of it.
curl_blob blob_of(std::string_view text) {
  curl_blob blob{};
  blob.data = const_cast<char*>(text.data());
  blob.len = text.size();
  blob.flags = CURL_BLOB_NOCOPY;
  return blob;
}

// Of "https://host:port/path"; without the brackets of an IPv6 address.
std::string host_of(std::string_view url) {
  const std::size_t scheme = url.find("://");
  std::string_view rest = scheme == std::string_view::npos ? url : url.substr(scheme + 3);
  if (rest.starts_with('[')) return std::string(rest.substr(1, rest.find(']') - 1));
  return std::string(rest.substr(0, rest.find_first_of(":/?#")));
}

std::string go_method(const std::string& method) {
  std::string word = method;
  std::transform(word.begin() + 1, word.end(), word.begin() + 1, [](unsigned char c) { return std::tolower(c); });
  return word;
}

}  // namespace

std::size_t HttpClient::Transfer::on_header(char* data, std::size_t size, std::size_t count, void* transfer) {
  static_cast<Transfer*>(transfer)->take_header({data, size * count});
  return size * count;
}

std::size_t HttpClient::Transfer::on_body(char* data, std::size_t size, std::size_t count, void* transfer) {
  const bool taken = static_cast<Transfer*>(transfer)->take_body({data, size * count});
  return taken ? size * count : 0;
}

void HttpClient::Transfer::take_header(std::string_view line) {
  if (!line.starts_with("HTTP/")) return keep_header(line);
  // The first line of an answer; a redirect's is replaced by the next one.
  std::size_t space = line.find(' ');
  std::string_view status = space == std::string_view::npos ? std::string_view() : line.substr(space + 1);
  status = status.substr(0, std::min(status.find_first_of("\r\n"), kStatusLineMax));
  response.status = status;
  response.status_code = 0;
  std::from_chars(status.data(), status.data() + status.size(), response.status_code);
  response.body.clear();
  response.headers.clear();
  header_bytes = 0;
  received = 0;
}

void HttpClient::Transfer::keep_header(std::string_view line) {
  const std::size_t colon = line.find(':');
  if (!request.keep_headers || colon == std::string_view::npos || line.size() > kHttpHeaderBytesMax - header_bytes) {
    return;
  }
  header_bytes += line.size();
  std::string name(line.substr(0, colon));
  std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
  std::string_view value = line.substr(colon + 1);
  value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
  value = value.substr(0, value.find_last_not_of(" \t\r\n") + 1);
  response.headers.emplace_back(std::move(name), value);
}

bool HttpClient::Transfer::take_body(std::string_view piece) {
  if (request.sink && response.status_code != 200) {
    piece = piece.substr(0, kHttpRefusalBodyMax - response.body.size());
    response.body.append(piece);
    cut = response.body.size() == kHttpRefusalBodyMax;
    return !cut;
  }
  if (piece.size() > request.body_size_max - received) {
    too_large = true;
    return false;
  }
  received += piece.size();
  if (!request.sink) {
    response.body.append(piece);
    return true;
  }
  Result<void> taken = request.sink(piece);
  if (!taken) refused = std::move(taken.error());
  return !refused;
}

Result<void> HttpClient::Transfer::set_headers() {
  for (const std::string& header : request.headers) {
    curl_slist* longer = curl().slist_append(headers.get(), header.c_str());
    if (longer == nullptr) return Error(ErrorCode::kInternal, "out of memory for headers");
    headers.release();
    headers.reset(longer);
  }
  curl().easy_setopt(handles->easy.get(), CURLOPT_HTTPHEADER, headers.get());
  return {};
}

void HttpClient::Transfer::set_method() {
  CURL* easy = handles->easy.get();
  const bool may_have_body = request.method == "POST" || request.method == "PUT" || request.method == "PATCH";
  if (may_have_body || !request.body.empty()) {
    curl().easy_setopt(easy, CURLOPT_POST, 1L);
    curl().easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    curl().easy_setopt(easy, CURLOPT_POSTFIELDS, request.body.data());
  } else if (request.method == "HEAD") {
    curl().easy_setopt(easy, CURLOPT_NOBODY, 1L);
  }
  if (request.method != "GET") curl().easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

void HttpClient::Transfer::set_trust() {
  CURL* easy = handles->easy.get();
  // Other roots than the library's own, named as for Go's programs.
  if (const char* roots = std::getenv("SSL_CERT_FILE"); roots && *roots)
    curl().easy_setopt(easy, CURLOPT_CAINFO, roots);
  if (const char* roots = std::getenv("SSL_CERT_DIR"); roots && *roots) curl().easy_setopt(easy, CURLOPT_CAPATH, roots);
  if (!handles->tls) return;
  const HttpTls& tls = *handles->tls;
  if (tls.verifier) {
    curl().easy_setopt(easy, CURLOPT_CAINFO, nullptr);
    curl().easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    curl().easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    curl().easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_verified_context);
    curl().easy_setopt(easy, CURLOPT_SSL_CTX_DATA, this);
    return;
  }
  if (!tls.ca_pem.empty()) {
    curl_blob roots = blob_of(tls.ca_pem);
    curl().easy_setopt(easy, CURLOPT_CAINFO, nullptr);
    curl().easy_setopt(easy, CURLOPT_CAPATH, nullptr);
    curl().easy_setopt(easy, CURLOPT_CAINFO_BLOB, &roots);
  } else if (!tls.ca_file.empty()) {
    curl().easy_setopt(easy, CURLOPT_CAINFO, tls.ca_file.c_str());
    curl().easy_setopt(easy, CURLOPT_CAPATH, nullptr);
  }
  curl().easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.verify == HttpVerify::kNone ? 0L : 1L);
  curl().easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.verify == HttpVerify::kFull ? 2L : 0L);
  if (tls.verify != HttpVerify::kFull || request.follow_redirects) return;
  curl().easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
  curl().easy_setopt(easy, CURLOPT_SSL_CTX_DATA, this);
}

CURLcode HttpClient::Transfer::on_verified_context(CURL*, void* context, void* transfer) {
  SSL_CTX_set_cert_verify_callback(static_cast<SSL_CTX*>(context), verify_server, transfer);
  return CURLE_OK;
}

// Replaces OpenSSL's own verification.
int HttpClient::Transfer::verify_server(X509_STORE_CTX* store, void* transfer) {
  auto& self = *static_cast<Transfer*>(transfer);
  std::vector<Bytes> chain;
  STACK_OF(X509)* presented = X509_STORE_CTX_get0_untrusted(store);
  for (int i = 0; i < sk_X509_num(presented); ++i) {
    unsigned char* der = nullptr;
    const int size = i2d_X509(sk_X509_value(presented, i), &der);
    if (size > 0) chain.emplace_back(der, der + size);
    OPENSSL_free(der);
  }
  Result<void> verified = self.handles->tls->verifier(chain);
  if (!verified) self.refused = self.error(verified.error().code(), verified.error().message());
  X509_STORE_CTX_set_error(store, verified ? X509_V_OK : X509_V_ERR_CERT_REJECTED);
  return verified ? 1 : 0;
}

// The library would take a certificate without names by its subject's common name; Go's programs do not.
CURLcode HttpClient::Transfer::on_tls_context(CURL*, void* context, void* transfer) {
  const std::string host = host_of(static_cast<Transfer*>(transfer)->request.url);
  X509_VERIFY_PARAM* wanted = SSL_CTX_get0_param(static_cast<SSL_CTX*>(context));
  X509_VERIFY_PARAM_set_hostflags(wanted, X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
  const bool set = X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1 ||
                   X509_VERIFY_PARAM_set1_host(wanted, host.data(), host.size()) == 1;
  return set ? CURLE_OK : CURLE_SSL_CERTPROBLEM;
}

void HttpClient::Transfer::set_client_certificate() {
  if (!handles->tls || handles->tls->certificate_pem.empty()) return;
  CURL* easy = handles->easy.get();
  curl_blob chain = blob_of(handles->tls->certificate_pem);
  curl_blob key = blob_of(as_text(handles->tls->private_key_pem.view()));
  curl().easy_setopt(easy, CURLOPT_SSLCERTTYPE, "PEM");
  curl().easy_setopt(easy, CURLOPT_SSLCERT_BLOB, &chain);
  curl().easy_setopt(easy, CURLOPT_SSLKEYTYPE, "PEM");
  curl().easy_setopt(easy, CURLOPT_SSLKEY_BLOB, &key);
}

Result<void> HttpClient::Transfer::set_options() {
  CURL* easy = handles->easy.get();
  if (easy == nullptr || !handles->multi) return Error(ErrorCode::kInternal, "cannot make an HTTP request");
  bool local = !request.unix_socket.empty();
  curl().easy_reset(easy);
  curl().easy_setopt(easy, CURLOPT_URL, request.url.c_str());
  curl().easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
  curl().easy_setopt(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);
  curl().easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
  curl().easy_setopt(easy, CURLOPT_USERAGENT, "steeple/" STEEPLE_VERSION);
  curl().easy_setopt(easy, CURLOPT_ERRORBUFFER, error_text);
  curl().easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
  curl().easy_setopt(easy, CURLOPT_HEADERDATA, this);
  curl().easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
  curl().easy_setopt(easy, CURLOPT_WRITEDATA, this);
  curl().easy_setopt(easy, CURLOPT_FOLLOWLOCATION, request.follow_redirects ? 1L : 0L);
  curl().easy_setopt(easy, CURLOPT_MAXREDIRS, static_cast<long>(kHttpRedirectsMax));
  // A redirect never leaves TLS, or plain HTTP where that was asked for.
  const char* schemes = local || request.plain_http ? "http" : "https";
  curl().easy_setopt(easy, CURLOPT_PROTOCOLS_STR, schemes);
  curl().easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, schemes);
  if (request.accept_gzip) curl().easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
  if (local) curl().easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, request.unix_socket.c_str());
  if (local || !request.use_proxy) curl().easy_setopt(easy, CURLOPT_NOPROXY, "*");
  if (request.connect_timeout.count() > 0) {
    curl().easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request.connect_timeout.count()));
  }
  // An answer may last for minutes; a peer that went away without a word is noticed meanwhile.
  curl().easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
  curl().easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, kKeepAliveSeconds);
  curl().easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, kKeepAliveSeconds);
  set_method();
  set_trust();
  set_client_certificate();
  return set_headers();
}

Error HttpClient::Transfer::error_of(CURLcode code) const {
  ErrorCode kind = ErrorCode::kUnavailable;
  switch (code) {
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_SSL_CERTPROBLEM:
      kind = ErrorCode::kInvalidArgument;
      break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
      kind = ErrorCode::kTls;
      break;
    case CURLE_TOO_MANY_REDIRECTS:
      kind = ErrorCode::kLimit;
      break;
    default:
      break;
  }
  return error(kind, text_of(code));
}

std::string HttpClient::Transfer::text_of(CURLcode code) const {
  const bool began = response.status_code != 0;
  if (code == CURLE_COULDNT_CONNECT) {
    if (std::string text = dial_text(); !text.empty()) return text;
  }
  if (code == CURLE_PEER_FAILED_VERIFICATION) {
    if (std::string text = verification_text(); !text.empty()) return text;
  }
  if (code == CURLE_PARTIAL_FILE || (code == CURLE_GOT_NOTHING && began)) return "unexpected EOF";
  if (code == CURLE_GOT_NOTHING) return "EOF";
  return error_text[0] != '\0' ? error_text : curl().easy_strerror(code);
}

// Empty for what the library's own text says better.
std::string HttpClient::Transfer::verification_text() const {
  long result = X509_V_OK;
  if (curl().easy_getinfo(handles->easy.get(), CURLINFO_SSL_VERIFYRESULT, &result) != CURLE_OK) return {};
  const bool whole = !handles->tls || handles->tls->verify == HttpVerify::kFull;
  const std::string_view before = whole ? "tls: failed to verify certificate: " : "";
  switch (result) {
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return fmt::format("{}x509: certificate signed by unknown authority", before);
    case X509_V_ERR_INVALID_PURPOSE:
      return fmt::format("{}x509: certificate specifies an incompatible key usage", before);
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return fmt::format("{}x509: certificate has expired or is not yet valid", before);
    default:
      return {};
  }
}

// "dial tcp 127.0.0.1:10250: connect: connection refused"; empty when the system did not say why.
std::string HttpClient::Transfer::dial_text() const {
  long reason = 0;
  if (curl().easy_getinfo(handles->easy.get(), CURLINFO_OS_ERRNO, &reason) != CURLE_OK || reason == 0) return {};
  const std::string why = go_errno_text(static_cast<int>(reason));
  if (!request.unix_socket.empty()) return fmt::format("dial unix {}: connect: {}", request.unix_socket, why);
  std::string_view place = request.url;
  place.remove_prefix(std::min(place.find("://") + 3, place.size()));
  return fmt::format("dial tcp {}: connect: {}", place.substr(0, place.find('/')), why);
}

Error HttpClient::Transfer::error(ErrorCode code, std::string_view text) const {
  return Error(code, fmt::format("{} \"{}\": {}", go_method(request.method), request.url, text));
}

}  // namespace steeple::runtime
