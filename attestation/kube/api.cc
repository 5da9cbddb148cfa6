#include "attestation/kube/api.h"

#include <fmt/format.h>

#include <cctype>

namespace steeple::attestation {

std::string path_segment(std::string_view name) {
  std::string segment;
  for (char c : name) {
    bool plain = std::isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      segment += c;
    } else {
      segment += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  // A segment of dots alone would walk through the path.
  if (segment == "." || segment == "..") return segment == "." ? "%2E" : "%2E%2E";
  return segment;
}

}  // namespace steeple::attestation
