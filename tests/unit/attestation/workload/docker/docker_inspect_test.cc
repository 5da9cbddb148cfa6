#include "attestation/workload/docker/inspect.h"

#include <catch2/catch.hpp>

using namespace steeple::attestation;
using steeple::runtime::ErrorCode;

TEST_CASE("A container's labels, environment and image become selectors") {
  auto container = parse_docker_container(
      R"({"Id":"c","State":{"Status":"running","Running":true,"Pid":4711},"Config":{"Hostname":"h","Image":"web:1",)"
      R"("Env":["A=1","B=x=y","EMPTY"],"Labels":{"com.example.name":"foo","quoted\"":"é","none":null},"Cmd":null},)"
      R"("NetworkSettings":{"Ports":{}}})");
  REQUIRE(container);
  CHECK(container->image == "web:1");
  CHECK(container->pid == 4711);
  CHECK(container->selectors == Selectors({{"docker", "label:com.example.name:foo"},
                                           {"docker", "label:quoted\":\u00e9"},
                                           {"docker", "label:none:"},
                                           {"docker", "env:A=1"},
                                           {"docker", "env:B=x=y"},
                                           {"docker", "env:EMPTY"},
                                           {"docker", "image_id:web:1"}}));
}

TEST_CASE("What is absent or null in a container is empty") {
  for (const char* text :
       {"{}", R"({"Config":null,"State":null})", R"({"Config":{"Image":"","Labels":null,"Env":null}})"}) {
    INFO(text);
    auto container = parse_docker_container(text);
    REQUIRE(container);
    CHECK(container->selectors.empty());
    CHECK(container->image.empty());
    CHECK_FALSE(container->pid);
  }
  CHECK(parse_docker_container(R"({"State":{"Pid":0}})")->pid == 0);
}

TEST_CASE("What is no container is refused") {
  for (const char* text : {"", "null", "[]", "7", "{", R"({"Config":{"Labels":[]}})",
                           R"({"Config":{"Labels":{"a":1}}})", R"({"Config":{"Env":{}}})", R"({"Config":{"Env":[1]}})",
                           R"({"Config":[]})", R"({"State":{"Pid":"1"}})", "{}x", R"({"Config":{"Image":7}})"}) {
    INFO(text);
    auto container = parse_docker_container(text);
    REQUIRE_FALSE(container);
    CHECK(container.error().code() == ErrorCode::kMalformed);
    CHECK(container.error().message().starts_with("unable to read the daemon's answer about the container: "));
  }
}

TEST_CASE("An image's id and digests, and a refusal's message") {
  CHECK(parse_docker_image(R"({"Id":"sha256:ab","RepoTags":["web:1"],"RepoDigests":null})")->id == "sha256:ab");
  CHECK(parse_docker_image(R"({"RepoDigests":["h/a@sha256:1","h/b@sha256:2"]})")->repo_digests ==
        std::vector<std::string>{"h/a@sha256:1", "h/b@sha256:2"});
  CHECK(parse_docker_image("{}")->id.empty());
  CHECK_FALSE(parse_docker_image("[]"));
  CHECK_FALSE(parse_docker_image(R"({"RepoDigests":[1]})"));
  CHECK(parse_docker_message(R"({"message":"No such container: x"})") == "No such container: x");
  CHECK(parse_docker_message("404 page not found").empty());
  CHECK(parse_docker_message(R"({"message":7})").empty());
}
