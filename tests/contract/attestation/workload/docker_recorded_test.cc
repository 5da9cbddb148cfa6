// Recorded answers of Debian's dockerd 20.10, and the selectors that SPIRE's agent 1.15.3 logged for that container.
#include <catch2/catch.hpp>
#include <fstream>
#include <sstream>

#include "attestation/workload/docker/inspect.h"

using namespace steeple::attestation;

namespace {

std::string recorded(const std::string& name) {
  std::ifstream file(std::string(STEEPLE_TEST_DATA) + "/docker/" + name);
  std::stringstream text;
  text << file.rdbuf();
  REQUIRE_FALSE(text.str().empty());
  return text.str();
}

}  // namespace

TEST_CASE("Selectors of the recorded container are the real agent's") {
  auto container = parse_docker_container(recorded("container.json"));
  REQUIRE(container);
  auto image = parse_docker_image(recorded("image.json"));
  REQUIRE(image);
  CHECK(container->image == "example.org/app:1");
  CHECK(container->pid == 3996);
  Selectors found = container->selectors;
  found.merge(Selectors({{"docker", "image_config_digest:" + image->id}}));
  CHECK(found ==
        Selectors({{"docker", "label:com.example.from:image"},
                   {"docker", "label:quoted:\"x\""},
                   {"docker", "label:app:web"},
                   {"docker", "env:MODE=prod"},
                   {"docker", "env:EMPTY="},
                   {"docker", "env:ROLE=database"},
                   {"docker", "env:ASAN_OPTIONS=detect_leaks=0"},
                   {"docker", "image_id:example.org/app:1"},
                   {"docker",
                    "image_config_digest:sha256:c68642150179bc07e41dbd76db6ffe88b32019630dda4eac7af9f47c20cc0053"}}));
}

TEST_CASE("The daemon's recorded refusal has a message") {
  CHECK(parse_docker_message(recorded("refusal.json")) == "No such container: " + std::string(64, '0'));
}
