#include "deploy/devserver/notifiers/k8s_bundle.h"

#include <fmt/format.h>

#include "deploy/devserver/kube/queries.h"
#include "deploy/devserver/notifiers/bundle_objects.h"

namespace steeple::devserver {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr char kMergePatch[] = "application/strategic-merge-patch+json";

std::string config_maps_path(const K8sBundleConfig& config) {
  return fmt::format("/api/v1/namespaces/{}/configmaps", path_segment(config.name_space));
}

KubeRequest patch_request(std::string path, std::string body) {
  return KubeRequest{"PATCH", std::move(path), kMergePatch, std::move(body)};
}

}  // namespace

// Cluster-wide objects that carry the bundle as caBundle.
struct K8sBundle::Kind {
  std::string_view path;
  std::string K8sBundleConfig::* label;
  Result<std::vector<BundlePatch>> (*patches)(std::string_view list, std::string_view pem);
};

const std::array<K8sBundle::Kind, 3>& K8sBundle::kinds() {
  static constexpr std::array<Kind, 3> kKinds{{
      {"/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations", &K8sBundleConfig::webhook_label,
       webhook_patches},
      {"/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations", &K8sBundleConfig::webhook_label,
       webhook_patches},
      {"/apis/apiregistration.k8s.io/v1/apiservices", &K8sBundleConfig::api_service_label, api_service_patches},
  }};
  return kKinds;
}

std::string K8sBundle::selector_of(const Kind& kind) const {
  const std::string& label = config_.*kind.label;
  return label.empty() ? label : fmt::format("labelSelector={}%3Dtrue", path_segment(label));
}

std::vector<attestation::KubeWatcher::Target> K8sBundle::labelled() const {
  std::vector<attestation::KubeWatcher::Target> targets;
  for (const Kind& kind : kinds()) {
    const std::string selector = selector_of(kind);
    if (!selector.empty()) targets.push_back({std::string(kind.path), selector});
  }
  return targets;
}

Task<Result<void>> K8sBundle::publish(Deadline deadline, StopToken stop) {
  std::string failures;
  ErrorCode code = ErrorCode::kInternal;
  auto note = [&](const Result<void>& done) {
    if (done) return;
    failures += (failures.empty() ? "" : ", ") + done.error().message();
    code = done.error().code();
  };
  note(co_await write_config_map(deadline, stop));
  for (const Kind& kind : kinds()) {
    if (!selector_of(kind).empty() && !stop.stop_requested()) note(co_await write_labelled(kind, deadline, stop));
  }
  if (failures.empty()) co_return Result<void>();
  co_return Error(code, "unable to update: " + failures);
}

// Another server may have written in between; then read and write again.
Task<Result<void>> K8sBundle::write_config_map(Deadline deadline, StopToken stop) {
  for (int round = 1;; ++round) {
    Result<void> done = co_await try_config_map(deadline, stop);
    bool conflict = !done && done.error().code() == ErrorCode::kAlreadyExists;
    if (!conflict || round == kConflictRetriesMax) co_return done;
  }
}

// The bundle is read after the object, so that of two servers the later writer has the newer one.
Task<Result<void>> K8sBundle::try_config_map(Deadline deadline, StopToken stop) {
  const std::string path = config_maps_path(config_) + "/" + path_segment(config_.config_map);
  KubeRequest get;
  get.path = path;
  Result<std::string> object = co_await api_.call(std::move(get), deadline, stop);
  if (!object && object.error().code() == ErrorCode::kNotFound) {
    Result<void> created = co_await create_config_map(deadline, stop);
    if (created || created.error().code() == ErrorCode::kAlreadyExists) co_return created;
    co_return Error(
        created.error().code(),
        fmt::format("{}, and it cannot be created: {}; create it: kubectl create configmap {} "
                    "--namespace {}",
                    object.error().message(), created.error().message(), config_.config_map, config_.name_space));
  }
  const std::string name = config_.name_space + "/" + config_.config_map;
  if (!object) co_return std::move(object.error()).with_context("unable to get object " + name);
  STEEPLE_CO_TRY(patch, config_map_patch(*object, config_.config_map_key, source_()));
  if (patch.body.empty()) co_return Result<void>();
  Result<std::string> patched = co_await api_.call(patch_request(path, std::move(patch.body)), deadline, stop);
  if (!patched) co_return std::move(patched.error()).with_context(name);
  co_return Result<void>();
}

Task<Result<void>> K8sBundle::create_config_map(Deadline deadline, StopToken stop) {
  KubeRequest request{"POST", config_maps_path(config_), "application/json",
                      new_config_map(config_.name_space, config_.config_map, config_.config_map_key, source_())};
  STEEPLE_CO_TRY(created, co_await api_.call(std::move(request), deadline, stop));
  static_cast<void>(created);
  co_return Result<void>();
}

// Goes on past an object that cannot be written. A conflict is mended by the next pass, which reads the list again.
Task<Result<void>> K8sBundle::write_labelled(const Kind& kind, Deadline deadline, StopToken stop) {
  KubeRequest list;
  list.path = fmt::format("{}?{}", kind.path, selector_of(kind));
  Result<std::string> objects = co_await api_.call(std::move(list), deadline, stop);
  if (!objects) co_return std::move(objects.error()).with_context("unable to get list");
  STEEPLE_CO_TRY(patches, kind.patches(*objects, source_()));
  Result<void> done;
  for (BundlePatch& patch : patches) {
    if (patch.body.empty() || stop.stop_requested()) continue;
    const std::string path = fmt::format("{}/{}", kind.path, path_segment(patch.name));
    Result<std::string> patched = co_await api_.call(patch_request(path, std::move(patch.body)), deadline, stop);
    if (!patched) done = std::move(patched.error()).with_context(patch.name);
  }
  co_return done;
}

}  // namespace steeple::devserver
