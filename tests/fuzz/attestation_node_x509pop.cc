// The three messages of x509pop and the server's whole check of a payload: whatever comes in, what is read is written
// back to the same value.
#include <cstdint>
#include <cstdlib>

#include "attestation/node/x509pop/messages.h"
#include "attestation/node/x509pop/verifier.h"

namespace pop = steeple::attestation::x509pop;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  steeple::runtime::BytesView input(data, size);
  if (auto read = pop::parse_attestation_data(input)) {
    if (pop::parse_attestation_data(pop::format_attestation_data(*read)).value() != *read) std::abort();
  }
  if (auto read = pop::parse_challenge(input)) {
    if (pop::parse_challenge(pop::format_challenge(*read)).value() != *read) std::abort();
  }
  if (auto read = pop::parse_response(input)) {
    if (pop::parse_response(pop::format_response(*read)).value() != *read) std::abort();
  }
  static const pop::VerifierOptions options;
  pop::Verifier verifier(options);
  auto begun = verifier.begin(input, "example.org", steeple::runtime::WallTime());
  if (begun) std::abort();  // there are no roots
  return 0;
}
