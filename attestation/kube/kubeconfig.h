// A kubeconfig file: the cluster and the user of its current context (kubernetes.io, "Organizing Cluster Access Using
// kubeconfig Files"). Only what a program without a terminal can use: a program to run for credentials (`exec`), an
// `auth-provider`, a password, impersonation, a proxy and another TLS name are refused by name. Pure function, any
// thread.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.h"
#include "runtime/core/secret_bytes.h"

namespace steeple::attestation {

inline constexpr std::size_t kKubeconfigBytesMax = 1 << 20;

// Files are named with the path they are read at; the `-data` forms go before them and are decoded.
struct Kubeconfig {
  std::string server;  // https://HOST[:PORT][/PREFIX], without a final slash
  std::string authority_file;
  std::string authority_pem;
  bool skip_verification = false;
  std::string certificate_file;
  std::string certificate_pem;
  std::string key_file;
  runtime::SecretBytes key_pem;
  std::string token_file;  // read at each request; goes before the token
  runtime::SecretBytes token;
};

// `directory` is the file's, for relative paths in it. kMalformed, kUnimplemented (refused by name), kInvalidArgument.
runtime::Result<Kubeconfig> parse_kubeconfig(std::string_view text, std::string_view directory);

}  // namespace steeple::attestation
