// A daemon's answers as anybody could shape them, and cgroup files by pattern.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "attestation/workload/docker/cgroup_matchers.h"
#include "attestation/workload/docker/inspect.h"
#include "attestation/workload/docker/membership.h"
#include "attestation/workload/docker/podman.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace steeple::attestation;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  if (auto container = parse_docker_container(text)) {
    for (const Selector& selector : container->selectors) {
      if (selector.type() != kDockerName || selector.value().find(':') == std::string::npos) std::abort();
    }
  }
  (void)parse_docker_image(text);
  (void)parse_docker_message(text);
  static const CgroupMatchers matchers = *CgroupMatchers::make({"/docker/<id>", "/*/*/<id>/*"});
  if (auto id = matchers.locate(text); id && id->find('/') != std::string::npos) std::abort();
  (void)podman_host_of(text, DockerConfig());
  const std::size_t half = size / 2;
  if (membership_of(text, text, text.substr(0, 8)) == Membership::kOutside) std::abort();
  (void)membership_of(text.substr(0, half), text.substr(half), "c");
  return 0;
}
