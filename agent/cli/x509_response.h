// An X509SVIDResponse as the command line shows it: parsed, verified, printed, written to files (config-cli 4.3, 4.6).
// Pure but for write_files. Texts are those of SPIRE's CLI.
#pragma once

#include <chrono>
#include <map>
#include <string>
#include <vector>

#include "agent/cli/output.h"
#include "runtime/tls/x509.h"

namespace steeple::agent::cli {

struct X509Entry {
  std::string spiffe_id;
  std::string hint;
  runtime::Certificates chain;  // leaf first
  runtime::PrivateKey key;
  runtime::Certificates bundle;
};

struct X509Response {
  std::vector<X509Entry> entries;
  std::map<std::string, runtime::Certificates> federated_bundles;  // by trust domain ID
};

// `watched`: as go-spiffe's client takes it, which `api watch` uses: a federated bundle may be without certificates,
// and of several SVIDs with one hint the first counts.
enum class ResponseUse { kFetched, kWatched };
runtime::Result<X509Response> parse_x509_response(runtime::BytesView message, ResponseUse use);

// Each chain against its own bundle, now.
runtime::Result<void> verify_x509_response(const X509Response& response, runtime::WallTime now);

std::string pretty_x509_response(const X509Response& response, std::chrono::nanoseconds took, ResponseUse use);
runtime::Result<std::string> json_x509_response(runtime::BytesView message);  // one line

// Prints a line before each file.
runtime::Result<void> write_x509_files(const X509Response& response, const std::string& directory, Output& output);

}  // namespace steeple::agent::cli
