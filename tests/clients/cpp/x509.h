// X.509-SVIDs: chain, key and bundle out of a response, verified.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "openssl.h"
#include "workload.pb.h"

struct Svid {
  std::string spiffe_id;
  std::string serial;  // hexadecimal
  std::vector<Certificate> chain;
  std::vector<Certificate> roots;
  Key key;
  std::vector<std::string> trust_domains;  // the own and the federated ones, sorted
};

// The default SVID; throws when its chain or its key does not verify.
Svid check(const X509SVIDResponse& response);

// The first URI among the certificate's names; empty when there is none.
std::string uri_of(const X509* certificate);

// `spiffe://domain/path` or `spiffe://domain`: the domain.
std::string domain_of(std::string_view spiffe_id);

void add_roots(X509_STORE* store, const std::vector<Certificate>& roots);
