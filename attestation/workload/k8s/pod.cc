#include "attestation/workload/k8s/pod.h"

#include <fmt/format.h>

#include <algorithm>

#include "attestation/workload/json_walk.h"
#include "attestation/workload/k8s/pod_list_splitter.h"

namespace steeple::attestation {
namespace {

using namespace json_walk;

static_assert(kJsonPadding >= simdjson::SIMDJSON_PADDING);

const std::string kType = "k8s";

struct Owner {
  std::string kind, name, uid;
};
struct ContainerStatus {
  std::string name, image, image_id, id;
};
struct PodFields {
  std::string name, ns, uid, service_account, node, phase;
  std::vector<std::pair<std::string, std::string>> labels;
  std::vector<Owner> owners;
  std::vector<ContainerStatus> containers, init_containers;
};

error_code read_owners(od::value value, std::vector<Owner>& out) {
  return each_element(value, [&](od::value element) {
    Owner& owner = out.emplace_back();
    return each_field(element, [&](std::string_view key, od::value field) {
      if (key == "kind") return read_text(field, owner.kind);
      if (key == "name") return read_text(field, owner.name);
      if (key == "uid") return read_text(field, owner.uid);
      return SUCCESS;
    });
  });
}

error_code read_statuses(od::value value, std::vector<ContainerStatus>& out) {
  return each_element(value, [&](od::value element) {
    ContainerStatus& status = out.emplace_back();
    return each_field(element, [&](std::string_view key, od::value field) {
      if (key == "name") return read_text(field, status.name);
      if (key == "image") return read_text(field, status.image);
      if (key == "imageID") return read_text(field, status.image_id);
      if (key == "containerID") return read_text(field, status.id);
      return SUCCESS;
    });
  });
}

error_code read_metadata(od::value value, PodFields& pod) {
  return each_field(value, [&](std::string_view key, od::value field) {
    if (key == "name") return read_text(field, pod.name);
    if (key == "namespace") return read_text(field, pod.ns);
    if (key == "uid") return read_text(field, pod.uid);
    if (key == "ownerReferences") return read_owners(field, pod.owners);
    if (key != "labels") return SUCCESS;
    return each_field(field, [&](std::string_view label, od::value text) {
      auto& added = pod.labels.emplace_back(std::string(label), std::string());
      return read_text(text, added.second);
    });
  });
}

error_code read_pod(od::object object, PodFields& pod) {
  for (auto item : object) {
    od::field field;
    if (error_code error = std::move(item).get(field)) return error;
    std::string_view key;
    if (error_code error = field.unescaped_key().get(key)) return error;
    error_code error = SUCCESS;
    if (key == "metadata") {
      error = read_metadata(field.value(), pod);
    } else if (key == "spec") {
      error = each_field(field.value(), [&](std::string_view name, od::value value) {
        if (name == "serviceAccountName") return read_text(value, pod.service_account);
        if (name == "nodeName") return read_text(value, pod.node);
        return SUCCESS;
      });
    } else if (key == "status") {
      error = each_field(field.value(), [&](std::string_view name, od::value value) {
        if (name == "phase") return read_text(value, pod.phase);
        if (name == "containerStatuses") return read_statuses(value, pod.containers);
        if (name == "initContainerStatuses") return read_statuses(value, pod.init_containers);
        return SUCCESS;
      });
    }
    if (error) return error;
  }
  return SUCCESS;
}

Selectors pod_selectors(const PodFields& pod) {
  std::vector<Selector> found;
  const auto add = [&](std::string value) { found.emplace_back(kType, std::move(value)); };
  add("sa:" + pod.service_account);
  add("ns:" + pod.ns);
  add("node-name:" + pod.node);
  add("pod-uid:" + pod.uid);
  add("pod-name:" + pod.name);
  add(fmt::format("pod-image-count:{}", pod.containers.size()));
  add(fmt::format("pod-init-image-count:{}", pod.init_containers.size()));
  for (const ContainerStatus& status : pod.containers) {
    add("pod-image:" + status.image_id);
    add("pod-image:" + status.image);
  }
  for (const ContainerStatus& status : pod.init_containers) {
    add("pod-init-image:" + status.image_id);
    add("pod-init-image:" + status.image);
  }
  for (const auto& [key, value] : pod.labels) add(fmt::format("pod-label:{}:{}", key, value));
  for (const Owner& owner : pod.owners) {
    add(fmt::format("pod-owner:{}:{}", owner.kind, owner.name));
    add(fmt::format("pod-owner-uid:{}:{}", owner.kind, owner.uid));
  }
  return Selectors(std::move(found));
}

void add_containers(const std::vector<ContainerStatus>& statuses, Pod& pod) {
  for (const ContainerStatus& status : statuses) {
    if (status.id.empty()) continue;
    const std::string_view id = container_id_of(status.id);
    if (id.empty()) {
      ++pod.malformed_ids;
      continue;
    }
    std::vector<Selector> found = {{kType, "container-name:" + status.name},
                                   {kType, "container-image:" + status.image_id},
                                   {kType, "container-image:" + status.image}};
    pod.containers.push_back(PodContainer{std::string(id), Selectors(std::move(found)), status.image, status.image_id});
  }
}

}  // namespace

std::string_view container_id_of(std::string_view status_id) {
  const std::size_t scheme = status_id.find("://");
  if (scheme == std::string_view::npos) return {};
  const std::string_view rest = status_id.substr(scheme + 3);
  return rest.substr(0, rest.find_first_of("/?#"));
}

struct PodParser::Impl {
  od::parser parser;
};

PodParser::PodParser() : impl_(std::make_unique<Impl>()) {}
PodParser::~PodParser() = default;

Pod PodParser::parse(std::string_view json) {
  Pod pod;
  PodFields fields;
  od::document document;
  od::object object;
  const simdjson::padded_string_view padded(json.data(), json.size(), json.size() + kJsonPadding);
  error_code error = impl_->parser.iterate(padded).get(document);
  if (!error) error = document.get_object().get(object);
  if (!error) error = read_pod(object, fields);
  pod.uid = fields.uid;
  if (error) {
    pod.broken = simdjson::error_message(error);
    return pod;
  }
  pod.terminal = fields.phase == "Succeeded" || fields.phase == "Failed";
  if (pod.terminal) return pod;
  pod.name_space = fields.ns;
  pod.selectors = pod_selectors(fields);
  add_containers(fields.containers, pod);
  add_containers(fields.init_containers, pod);
  return pod;
}

}  // namespace steeple::attestation
