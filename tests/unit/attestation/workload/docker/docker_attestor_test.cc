// The attestor with daemons that answer what the test says.
#include "attestation/workload/docker/docker_attestor.h"

#include <catch2/catch.hpp>

#include "runtime/task/blocking.h"
#include "tests/fakes/own_peer.h"
#include "tests/fakes/scripted_images.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;

namespace {

const std::string C(64, 'c');
const std::string D(64, 'd');
Error no_such_container() { return Error(ErrorCode::kNotFound, "Error response from daemon: No such container: x"); }

DockerContainer container_of(const std::string& label, std::optional<std::int64_t> pid = std::nullopt,
                             const std::string& image = "") {
  return DockerContainer{Selectors({{"docker", "label:" + label}}), image, pid};
}

class ScriptedApi final : public DockerApi {
 public:
  Task<Result<DockerContainer>> container(std::string host, std::string id, Deadline, StopToken) override {
    asked.push_back(host + " " + id);
    Result<DockerContainer> answer = answers.front();
    if (answers.size() > 1) answers.erase(answers.begin());
    co_return answer;
  }
  Task<Result<DockerImage>> image(std::string host, std::string name, Deadline, StopToken) override {
    asked.push_back(host + " " + name);
    co_return image_answer;
  }
  std::vector<Result<DockerContainer>> answers = {container_of("docker")};
  Result<DockerImage> image_answer = DockerImage{"sha256:1", {}};
  std::vector<std::string> asked;
};

struct World {
  explicit World(const DockerConfig& config = {}, const std::vector<std::string>& patterns = {},
                 bool verified = false) {
    DockerAttestor::Parts parts;
    parts.docker = take(docker);
    parts.podman = take(podman);
    parts.cgroups_of = [this](std::int64_t) { return first_process; };
    parts.first_backoff = 1ms;
    if (verified) {
      auto owned = std::make_unique<steeple::testing::ScriptedImages>();
      images = owned.get();
      parts.images = std::move(owned);
    }
    std::optional<CgroupMatchers> matchers;
    if (!patterns.empty()) matchers = *CgroupMatchers::make(patterns);
    Logger log(make_string_sink(&lines), LogLevel::kDebug, LogFormat::kDefault);
    attestor.emplace(config, std::move(matchers), std::move(parts), loop, log);
  }
  Result<Selectors> find(const std::string& cgroups, Deadline deadline = Deadline::in(20s), StopToken stop = {}) {
    return run_until_done(loop, attestor->find(cgroups, deadline, stop));
  }

  Loop loop;
  std::string lines;
  ScriptedApi* docker = nullptr;
  ScriptedApi* podman = nullptr;
  std::string first_process;
  steeple::testing::ScriptedImages* images = nullptr;
  std::optional<DockerAttestor> attestor;

 private:
  static std::unique_ptr<DockerApi> take(ScriptedApi*& api) {
    auto owned = std::make_unique<ScriptedApi>();
    api = owned.get();
    return owned;
  }
};

std::string made(DockerConfig config) {
  Loop loop;
  auto attestor = DockerAttestor::make(std::move(config), loop, Logger());
  return attestor ? "" : attestor.error().message();
}

}  // namespace

TEST_CASE("Docker answers for its containers, Podman for its own") {
  World world;
  auto found = world.find("2:cpu:/docker/" + C + "\n");
  REQUIRE(found);
  CHECK(*found == Selectors({{"docker", "label:docker"}}));
  CHECK(world.docker->asked == std::vector<std::string>{"unix:///var/run/docker.sock " + C});
  world.podman->answers = {container_of("podman")};
  found = world.find("0::/user.slice/user-7.slice/user@7.service/user.slice/libpod-" + D + ".scope/container\n");
  REQUIRE(found);
  CHECK(*found == Selectors({{"docker", "label:podman"}}));
  CHECK(world.podman->asked == std::vector<std::string>{"unix:///run/user/7/podman/podman.sock " + D});
  CHECK(world.docker->asked.size() == 1);
}

TEST_CASE("A process in no container has no docker selectors, and no daemon is asked") {
  World world;
  CHECK(world.find("0::/user.slice\n")->empty());
  CHECK(world.find("")->empty());
  Peer peer = steeple::tests::own_peer();
  ProcessHandle process = *ProcessHandle::open(peer);
  CHECK(run_until_done(world.loop, world.attestor->attest(process, Deadline::in(20s), {})).has_value());
  CHECK(world.docker->asked.empty());
}

TEST_CASE("The image's digest is added when the image is there, and is not missed when it is not") {
  World world;
  world.docker->answers = {container_of("a", std::nullopt, "web:1")};
  CHECK(*world.find("0::/docker/" + C) ==
        Selectors({{"docker", "label:a"}, {"docker", "image_config_digest:sha256:1"}}));
  CHECK(world.docker->asked.back() == "unix:///var/run/docker.sock web:1");
  world.docker->image_answer = Error(ErrorCode::kNotFound, "no such image");
  CHECK(*world.find("0::/docker/" + C) == Selectors({{"docker", "label:a"}}));
  world.docker->image_answer = DockerImage();
  CHECK(*world.find("0::/docker/" + C) == Selectors({{"docker", "label:a"}}));
}

TEST_CASE("With sigstore the first of the image's digests that verifies counts") {
  World world({}, {}, true);
  world.docker->answers = {container_of("a", std::nullopt, "web:1")};
  world.docker->image_answer = DockerImage{"sha256:1", {"h/a@sha256:1", "h/b@sha256:2", "h/c@sha256:3"}};
  world.images->answers["h/b@sha256:2"] = {"image-signature:verified"};
  CHECK(*world.find("0::/docker/" + C) == Selectors({{"docker", "label:a"},
                                                     {"docker", "image_config_digest:sha256:1"},
                                                     {"docker", "image-signature:verified"}}));
  CHECK(world.images->asked == std::vector<std::string>{"h/a@sha256:1", "h/b@sha256:2"});
  CHECK(world.lines.find("Error verifying sigstore image signature") != std::string::npos);
  run_until_done(world.loop, world.attestor->close());
  CHECK(world.images->closed);
}

TEST_CASE("With sigstore an image that is not verified has no selectors at all") {
  World world({}, {}, true);
  world.docker->answers = {container_of("a", std::nullopt, "web:1")};
  const auto refusal = [&] {
    auto found = world.find("0::/docker/" + C);
    REQUIRE_FALSE(found);
    return found.error().message();
  };
  world.docker->image_answer = DockerImage{"sha256:1", {"h/a@sha256:1", "h/b@sha256:2"}};
  CHECK(refusal() ==
        "sigstore signature verification failed for image web:1: errors: image_id h/a@sha256:1: not signed; image_id "
        "h/b@sha256:2: not signed");
  world.docker->image_answer = DockerImage{"sha256:1", {}};
  CHECK(refusal() == "sigstore signature verification failed: no repo digest found for image web:1");
  world.docker->image_answer = Error(ErrorCode::kNotFound, "Error response from daemon: No such image: web:1");
  CHECK(refusal() == "failed to inspect image \"web:1\": Error response from daemon: No such image: web:1");
}

TEST_CASE("Trust roots that cannot be had are the attestor's error at the start") {
  World world({}, {}, true);
  CHECK(run_until_done(world.loop, world.attestor->prepare(Deadline::in(20s), {})));
  world.images->ready = Error(ErrorCode::kNotFound, "no roots");
  CHECK(run_until_done(world.loop, world.attestor->prepare(Deadline::in(20s), {})).error().message() ==
        "error initializing sigstore verifier: no roots");
  World without;
  CHECK(run_until_done(without.loop, without.attestor->prepare(Deadline::in(20s), {})));
}

TEST_CASE("A daemon is asked four times, then its error is the attestor's") {
  World world;
  world.docker->answers = {no_such_container(), no_such_container(), no_such_container(), container_of("late")};
  CHECK(*world.find("0::/docker/" + C) == Selectors({{"docker", "label:late"}}));
  CHECK(world.docker->asked.size() == 4);
  world.docker->asked.clear();
  world.docker->answers = {no_such_container()};
  auto found = world.find("0::/docker/" + C);
  REQUIRE_FALSE(found);
  CHECK(found.error() == no_such_container());
  CHECK(world.docker->asked.size() == 4);
}

TEST_CASE("A caller that gives up is not kept") {
  World world;
  world.docker->answers = {no_such_container()};
  StopSource stop;
  stop.request_stop(StopReason::kPeerGone);
  CHECK_FALSE(world.find("0::/docker/" + C, Deadline::in(20s), stop.token()));
  CHECK_FALSE(world.find("0::/docker/" + C, Deadline::in(0s)));
  CHECK(world.docker->asked.size() == 2);
}

TEST_CASE("A process that only bears a container's name is refused") {
  World world;
  world.docker->answers = {container_of("victim", 42)};
  world.first_process = "2:cpu:/docker/" + D + "\n";
  CHECK(world.find("2:cpu:/docker/" + D + "/deeper\n"));
  for (const std::string& forged :
       {"2:cpu:/docker/" + C + "/" + D + "\n", "0::/user.slice/user-7.slice/user@7.service/docker-" + D + ".scope\n"}) {
    auto found = world.find(forged);
    REQUIRE_FALSE(found);
    CHECK(found.error().code() == ErrorCode::kFailedPrecondition);
  }
  CHECK(world.lines.find("bears the name of a container") != std::string::npos);
  world.first_process = "0::/\n";  // the daemon's process ids are not ours: its word counts
  CHECK(world.find("2:cpu:/docker/" + D + "\n"));
  world.docker->answers = {container_of("stopped", 0)};
  CHECK(world.find("2:cpu:/docker/" + D + "\n").error().code() == ErrorCode::kFailedPrecondition);
}

TEST_CASE("Custom patterns take the place of the locator") {
  World world({}, {"/docker/<id>"});
  CHECK(world.find("2:cpu:/docker/short\n1:pids:/\n"));
  CHECK(world.docker->asked == std::vector<std::string>{"unix:///var/run/docker.sock short"});
  CHECK(world.find("0::/system.slice/docker-" + C + ".scope\n")->empty());
}

TEST_CASE("Bad keys of docker are refused when the attestor is made") {
  CHECK(made({}).empty());
  DockerConfig config;
  config.docker_version = " v1.44";
  CHECK(made(config).empty());
  for (const char* version : {"1", "1.x", ".44", "1.", "vv1.44"}) {
    config.docker_version = version;
    CHECK(made(config).starts_with("invalid API version ("));
  }
  config = {};
  config.docker_host = "/var/run/docker.sock";
  CHECK(made(config) == "docker_socket_path: unable to parse docker host `/var/run/docker.sock`");
  config.docker_host = "tcp://127.0.0.1:2375";
  CHECK(made(config) ==
        "docker_socket_path: an address other than unix://... is not available in this version of Steeple");
  config = {};
  config.podman_host_template = "unix:///run/user/podman.sock";
  CHECK(made(config) == "invalid podman_socket_path_template: template must contain exactly one %d UID placeholder");
  config = {};
  config.cgroup_matchers = {"/docker"};
  CHECK(made(config) == "pattern \"/docker\" must contain the container id token \"<id>\" exactly once");
}
