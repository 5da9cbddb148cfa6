// A kubeconfig: any text gives a value or an error, and what is accepted is an https address.
#include <cstdint>
#include <cstdlib>

#include "attestation/kube/kubeconfig.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const steeple::runtime::BytesView input(data, size);
  auto config = steeple::attestation::parse_kubeconfig(steeple::runtime::as_text(input), "/d");
  if (config && !config->server.starts_with("https://")) std::abort();
  return 0;
}
