#include "attestation/workload/docker/docker_attestor.h"

#include <fmt/format.h>

#include <algorithm>

#include "attestation/container/cgroup.h"
#include "attestation/container/container_locator.h"
#include "attestation/sigstore/sigstore_images.h"
#include "attestation/workload/docker/membership.h"
#include "attestation/workload/docker/podman.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "runtime/task/timeout.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Logger;
using runtime::ProcessHandle;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

// Docker is one daemon, which the machine trusts. Podman is one for each user, who may let it hang.
constexpr DockerClient::Limits kDockerLimits{2, 8, 8};
constexpr DockerClient::Limits kPodmanLimits{4, 1, 16};

Result<void> check_host(std::string_view key, const std::string& host) {
  const std::size_t scheme = host.find("://");
  if (scheme == std::string::npos || scheme + 3 == host.size()) {
    return Error(ErrorCode::kInvalidArgument, fmt::format("{}: unable to parse docker host `{}`", key, host));
  }
  if (host.starts_with(kUnixScheme)) return {};
  return Error(
      ErrorCode::kInvalidArgument,
      fmt::format("{}: an address other than {}... is not available in this version of Steeple", key, kUnixScheme));
}

// "1.44" of " v1.44"; empty stays empty.
Result<std::string> api_version(std::string_view text) {
  const auto trim = [](std::string_view space, std::string_view from) {
    const std::size_t first = std::min(from.find_first_not_of(space), from.size());
    return from.substr(first, from.find_last_not_of(space) + 1 - first);
  };
  std::string_view version = trim(" \t\r\n", text);
  if (version.starts_with('v')) version.remove_prefix(1);
  const auto number = [](std::string_view part) {
    return !part.empty() && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  const std::size_t dot = std::min(version.find('.'), version.size());
  if (version.empty() || (number(version.substr(0, dot)) && dot < version.size() && number(version.substr(dot + 1)))) {
    return std::string(version);
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("invalid API version ({}): must be formatted <major>.<minor>", text));
}

std::string read_cgroups(std::int64_t pid) {
  return runtime::read_file(fmt::format("/proc/{}/cgroup", pid), kCgroupFileBytesMax).value_or(std::string());
}

}  // namespace

Result<std::unique_ptr<WorkloadAttestor>> DockerAttestor::make(DockerConfig config, runtime::Loop& loop,
                                                               const Logger& log) {
  std::optional<CgroupMatchers> matchers;
  if (!config.cgroup_matchers.empty()) {
    log.warning(
        "Using the legacy container locator with custom cgroup matchers. This feature will be removed in a future "
        "release.");
    STEEPLE_TRY(made, CgroupMatchers::make(config.cgroup_matchers));
    matchers = std::move(made);
  }
  STEEPLE_CHECK(
      runtime::with_context(check_podman_template(config.podman_host_template), "invalid podman_socket_path_template"));
  STEEPLE_CHECK(check_host("docker_socket_path", config.docker_host));
  STEEPLE_CHECK(check_host("podman_socket_path", config.podman_host));
  STEEPLE_CHECK(check_host("podman_socket_path_template", config.podman_host_template));
  STEEPLE_TRY(version, api_version(config.docker_version));
  Parts parts;
  parts.docker = std::make_unique<DockerClient>(loop, std::move(version), kDockerLimits);
  parts.podman = std::make_unique<DockerClient>(loop, "", kPodmanLimits);
  parts.cgroups_of = read_cgroups;
  if (config.sigstore) {
    parts.images = std::make_unique<SigstoreImages>(config.sigstore, config.environment, loop, log);
  }
  return std::make_unique<DockerAttestor>(std::move(config), std::move(matchers), std::move(parts), loop, log);
}

DockerAttestor::DockerAttestor(DockerConfig config, std::optional<CgroupMatchers> matchers, Parts parts,
                               runtime::Loop& loop, const Logger& log)
    : config_(std::move(config)), matchers_(std::move(matchers)), parts_(std::move(parts)), loop_(loop), log_(log) {}

Result<std::string> DockerAttestor::container_of(std::string_view cgroups) const {
  if (matchers_) return matchers_->locate(cgroups);
  STEEPLE_TRY(found, locate_container(cgroups, LocatePods::kNo));
  return std::move(found.container_id);
}

Task<Result<Selectors>> DockerAttestor::attest(const ProcessHandle& process, Deadline deadline, StopToken stop) {
  Result<std::string> cgroups = process.read("cgroup", kCgroupFileBytesMax);
  if (!cgroups) {
    if (!matchers_ && cgroups.error().code() == ErrorCode::kNotFound) co_return Selectors();
    co_return Error(ErrorCode::kInternal,
                    matchers_ ? cgroups.error().message() : "unable to obtain cgroups: " + cgroups.error().message());
  }
  if (config_.verbose_container_locator_logs && !matchers_) {
    log_.debug("PID cgroup enumerated", {{"pid", process.pid()}, {"path", *cgroups}});
  }
  co_return co_await find(std::move(*cgroups), deadline, stop);
}

Task<void> DockerAttestor::close() {
  if (parts_.images) co_await parts_.images->close();
}

Task<Result<void>> DockerAttestor::prepare(Deadline deadline, StopToken stop) {
  if (!parts_.images) co_return Result<void>();
  Result<void> prepared = co_await parts_.images->prepare(deadline, stop);
  co_return runtime::with_context(std::move(prepared), kSigstoreNotReady);
}

Task<Result<Selectors>> DockerAttestor::find(std::string cgroups, Deadline deadline, StopToken stop) {
  const Deadline patience = deadline.sooner(Deadline::after(loop_.now(), kDockerPatience));
  STEEPLE_CO_TRY(id, container_of(cgroups));
  if (id.empty()) co_return Selectors();
  STEEPLE_CO_TRY(podman, podman_host_of(cgroups, config_));
  DockerApi& api = podman.empty() ? *parts_.docker : *parts_.podman;
  const std::string host = podman.empty() ? config_.docker_host : podman;
  Result<DockerContainer> container = co_await inspect(api, host, id, patience, stop);
  if (!container) co_return std::move(container.error());
  STEEPLE_CO_CHECK(check_membership(cgroups, id, *container));
  Selectors selectors = std::move(container->selectors);
  if (container->image.empty() && !parts_.images) co_return std::move(selectors);
  Result<DockerImage> image = co_await api.image(host, container->image, patience, stop);
  if (stop.stop_requested()) co_return stop.error();
  if (image && !image->id.empty()) {
    selectors.merge(Selectors({{std::string(kDockerName), "image_config_digest:" + image->id}}));
  } else if (!image) {
    log_.debug("Image not found; there is no selector of its digest", {{"error", image.error()}});
  }
  if (!parts_.images) co_return std::move(selectors);
  STEEPLE_CO_TRY(values, co_await verify(container->image, image, deadline, stop));
  selectors.merge(Selectors::of_type(kDockerName, std::move(values)));
  co_return std::move(selectors);
}

// The first of the image's digests that verifies.
Task<Result<ImageSelectors>> DockerAttestor::verify(const std::string& name, const Result<DockerImage>& image,
                                                    Deadline deadline, StopToken stop) {
  if (!image) {
    co_return image.error().with_context(fmt::format("failed to inspect image {}", runtime::go_quote(name)));
  }
  if (image->repo_digests.empty()) {
    co_return Error(ErrorCode::kFailedPrecondition,
                    "sigstore signature verification failed: no repo digest found for image " + name);
  }
  std::vector<std::string> failures;
  for (const std::string& digest : image->repo_digests) {
    Result<ImageSelectors> values = co_await parts_.images->verify(digest, deadline, stop);
    if (values || stop.stop_requested() || deadline.passed(loop_.now())) co_return std::move(values);
    log_.warning("Error verifying sigstore image signature", {{"image_id", digest}, {"error", values.error()}});
    failures.push_back(fmt::format("image_id {}: {}", digest, values.error().message()));
  }
  co_return Error(ErrorCode::kInternal, fmt::format("sigstore signature verification failed for image {}: errors: {}",
                                                    name, fmt::join(failures, "; ")));
}

Task<Result<DockerContainer>> DockerAttestor::inspect(DockerApi& api, const std::string& host, const std::string& id,
                                                      Deadline deadline, StopToken stop) {
  std::chrono::nanoseconds backoff = parts_.first_backoff;
  for (int retry = 0;; ++retry) {
    Result<DockerContainer> container = co_await api.container(host, id, deadline, stop);
    if (container || retry == kDockerRetries) co_return std::move(container);
    if (stop.stop_requested() || deadline.passed(loop_.now())) co_return std::move(container.error());
    const Deadline next = deadline.sooner(Deadline::after(loop_.now(), backoff));
    STEEPLE_CO_CHECK(co_await runtime::sleep_until(loop_, next, stop));
    backoff *= 2;
  }
}

Result<void> DockerAttestor::check_membership(std::string_view cgroups, const std::string& id,
                                              const DockerContainer& container) const {
  if (!container.pid) return {};
  if (*container.pid <= 0) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("container {} does not run, but a process bears its name", id));
  }
  if (membership_of(cgroups, parts_.cgroups_of(*container.pid), id) != Membership::kOutside) return {};
  log_.warning("A process bears the name of a container that it does not run in", {{"container_id", id}});
  return Error(ErrorCode::kFailedPrecondition,
               fmt::format("the process does not run in container {}, but in a cgroup of that name", id));
}

}  // namespace steeple::attestation
