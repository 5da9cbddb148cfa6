// One request on libcurl's handles: its options, its callbacks, and what became of it. Internal to the client.
#pragma once

#include <openssl/types.h>

#include <atomic>
#include <memory>
#include <optional>

#include "runtime/http1/client.h"
#include "runtime/http1/curl_library.h"

namespace steeple::runtime {

// To curl, both kinds of handle are void.
struct CurlEasyFree {
  void operator()(CURL* easy) const { curl().easy_cleanup(easy); }
};
struct CurlMultiFree {
  void operator()(CURLM* multi) const { curl().multi_cleanup(multi); }
};
struct CurlListFree {
  void operator()(curl_slist* list) const { curl().slist_free_all(list); }
};

// A multi handle keeps the connection; the easy one is reset for each request.
struct HttpClient::Handles {
  std::string place;  // method-independent: where to, and under which TLS settings
  std::unique_ptr<CURLM, CurlMultiFree> multi{curl().multi_init()};
  std::unique_ptr<CURL, CurlEasyFree> easy{curl().easy_init()};
  std::shared_ptr<const HttpTls> tls;  // curl points into it
};

// Set on the I/O thread before the job starts; afterwards the job's, but for `stopped` and the wake-up of the handle.
struct HttpClient::Transfer {
  HttpRequest request;
  SteadyTime end;
  std::unique_ptr<Handles> handles;
  std::unique_ptr<curl_slist, CurlListFree> headers;
  std::atomic<bool> stopped{false};
  HttpResponse response;
  std::size_t received = 0;
  std::size_t header_bytes = 0;
  bool too_large = false;
  bool cut = false;              // an answer that the sink does not get was longer than what is kept
  std::optional<Error> refused;  // by the sink, or by the verifier
  char error_text[CURL_ERROR_SIZE] = {};

  Result<void> set_options();
  Error error_of(CURLcode code) const;
  Error error(ErrorCode code, std::string_view text) const;  // "Get "URL": TEXT", as Go words it

 private:
  std::string text_of(CURLcode code) const;
  std::string dial_text() const;
  std::string verification_text() const;
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* transfer);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* transfer);
  void take_header(std::string_view line);
  void keep_header(std::string_view line);
  bool take_body(std::string_view piece);
  Result<void> set_headers();
  void set_method();
  void set_trust();
  static CURLcode on_tls_context(CURL* easy, void* context, void* transfer);
  static CURLcode on_verified_context(CURL* easy, void* context, void* transfer);
  static int verify_server(X509_STORE_CTX* store, void* transfer);
  void set_client_certificate();
};

}  // namespace steeple::runtime
