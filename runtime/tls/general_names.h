// The subjectAltName of a list of extensions. For the sources of runtime/tls only.
#pragma once

#include <string>
#include <vector>

#include "runtime/core/bytes.h"

struct stack_st_X509_EXTENSION;

namespace steeple::runtime {

struct SubjectAltNames {
  std::vector<std::string> uris;
  std::vector<std::string> dns;
};

// Empty when there is none, or it cannot be read. Names beyond the limit are passed over.
inline constexpr int kAltNamesMax = 1024;
SubjectAltNames subject_alt_names(const stack_st_X509_EXTENSION* extensions);

// The extension's value: a SEQUENCE of DNS names, then URIs, as Go orders them.
Bytes encode_alt_names(const std::vector<std::string>& dns, const std::vector<std::string>& uris);

}  // namespace steeple::runtime
