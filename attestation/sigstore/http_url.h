// Addresses that a registry tells its clients to go to: where a redirect leads, where tokens are given, and which of
// them may be followed (go-containerregistry, remote/fetcher.go and transport/bearer.go). Pure. Foreign input.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::attestation {

struct HttpUrl {
  bool tls = true;     // https
  std::string host;    // with the port where one is given; IPv6 in brackets
  std::string target;  // path and query, begins with '/'; never a fragment

  std::string text() const;
  std::string host_name() const;  // without port and brackets
};

// Nothing: neither http nor https, user information, no host, or characters that no URL has.
std::optional<HttpUrl> parse_http_url(std::string_view text);
// Where the `Location` of an answer from `base` leads.
std::optional<HttpUrl> resolve_location(const HttpUrl& base, std::string_view location);

bool is_url_authority(std::string_view text);  // HOST or HOST:PORT, the port may be empty

// The same server, with the scheme's own port where none is given.
bool same_server(std::string_view left, std::string_view right, bool tls);

// An address of this machine, its link or a private network, written as a number. Names are not looked up.
bool is_internal_address(const std::string& host_name);

// Where a registry says that tokens are given: https, or http where the registry itself was reached so; and no internal
// address, unless it is the registry's own. kDenied.
runtime::Result<HttpUrl> check_realm(std::string_view realm, std::string_view registry, bool plain_http);

// kDenied: from one server to an internal address, or from https to http.
runtime::Result<void> check_redirect(const HttpUrl& first, const HttpUrl& next);

std::string query_escaped(std::string_view text);  // as Go's url.QueryEscape

}  // namespace steeple::attestation
