#include "attestation/workload/k8s/pod.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "attestation/container/cgroup.h"
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
  bool ended = false;
};
struct PodFields {
  std::string name, ns, uid, service_account, node, phase;
  std::map<std::string, std::string> labels;
  std::vector<Owner> owners;
  std::vector<ContainerStatus> containers, init_containers;
};

// A field as Go names it in its error about a value of the wrong type.
struct Place {
  std::string_view owner, path, type;
  std::string_view leaf = {};  // of the path, when it is not whole
};
constexpr Place kOwnerPlace = {"ObjectMeta", "metadata.ownerReferences", "v1.OwnerReference"};

std::string_view go_kind(od::json_type type) {
  switch (type) {
    case od::json_type::array:
      return "array";
    case od::json_type::object:
      return "object";
    case od::json_type::number:
      return "number";
    case od::json_type::boolean:
      return "bool";
    default:
      return "string";
  }
}

// As Go decodes: a value of the wrong type is left out and remembered, and reading goes on behind it. An error_code is
// a mistake in the JSON itself.
class PodReader {
 public:
  explicit PodReader(PodFields& pod) : pod_(pod) {}
  error_code read(od::object object);
  const std::string& mistake() const { return mistake_; }  // the first; empty: none

 private:
  // Neither null nor of another type than the wanted one.
  error_code usable(od::value value, od::json_type wanted, const Place& place, bool& usable);
  error_code text(od::value value, std::string& out, const Place& place);
  template <class Take>
  error_code object(od::value value, const Place& place, Take take);
  template <class Take>
  error_code array(od::value value, const Place& place, Take take);
  error_code owner(od::value value);
  error_code metadata(od::value value);
  error_code spec(od::value value);
  error_code status(od::value value);
  error_code container(od::value value, std::string_view path, ContainerStatus& out);
  error_code containers(od::value value, std::string_view path, std::vector<ContainerStatus>& out);

  PodFields& pod_;
  std::string mistake_;
};

error_code PodReader::usable(od::value value, od::json_type wanted, const Place& place, bool& usable) {
  od::json_type type;
  if (error_code error = value.type().get(type)) return error;
  usable = type == wanted;
  if (!usable && type != od::json_type::null && mistake_.empty()) {
    mistake_ = fmt::format("json: cannot unmarshal {} into Go struct field {}.{}{}{} of type {}", go_kind(type),
                           place.owner, place.path, place.leaf.empty() ? "" : ".", place.leaf, place.type);
  }
  return SUCCESS;
}

error_code PodReader::text(od::value value, std::string& out, const Place& place) {
  bool taken = false;
  if (error_code error = usable(value, od::json_type::string, place, taken); error || !taken) return error;
  return read_text(value, out);
}

template <class Take>
error_code PodReader::object(od::value value, const Place& place, Take take) {
  bool taken = false;
  if (error_code error = usable(value, od::json_type::object, place, taken); error || !taken) return error;
  return each_field(value, take);
}

template <class Take>
error_code PodReader::array(od::value value, const Place& place, Take take) {
  bool taken = false;
  if (error_code error = usable(value, od::json_type::array, place, taken); error || !taken) return error;
  return each_element(value, take);
}

error_code PodReader::owner(od::value value) {
  Owner& owner = pod_.owners.emplace_back();
  return object(value, kOwnerPlace, [&](std::string_view key, od::value field) {
    if (key == "kind") return text(field, owner.kind, {"OwnerReference", "metadata.ownerReferences.kind", "string"});
    if (key == "name") return text(field, owner.name, {"OwnerReference", "metadata.ownerReferences.name", "string"});
    if (key == "uid") return text(field, owner.uid, {"OwnerReference", "metadata.ownerReferences.uid", "types.UID"});
    return SUCCESS;
  });
}

error_code PodReader::metadata(od::value value) {
  return object(value, {"Pod", "metadata", "v1.ObjectMeta"}, [this](std::string_view key, od::value field) {
    if (key == "name") return text(field, pod_.name, {"ObjectMeta", "metadata.name", "string"});
    if (key == "namespace") return text(field, pod_.ns, {"ObjectMeta", "metadata.namespace", "string"});
    if (key == "uid") return text(field, pod_.uid, {"ObjectMeta", "metadata.uid", "types.UID"});
    if (key == "ownerReferences") {
      pod_.owners.clear();
      return array(field, {"ObjectMeta", "metadata.ownerReferences", "[]v1.OwnerReference"},
                   [this](od::value element) { return owner(element); });
    }
    if (key != "labels") return SUCCESS;
    return object(field, {"ObjectMeta", "metadata.labels", "map[string]string"},
                  [this](std::string_view label, od::value content) {
                    std::string& added = pod_.labels[std::string(label)];
                    return text(content, added, {"ObjectMeta", "metadata.labels", "string"});
                  });
  });
}

error_code PodReader::spec(od::value value) {
  return object(value, {"Pod", "spec", "v1.PodSpec"}, [this](std::string_view key, od::value field) {
    if (key == "serviceAccountName")
      return text(field, pod_.service_account, {"PodSpec", "spec.serviceAccountName", "string"});
    if (key == "nodeName") return text(field, pod_.node, {"PodSpec", "spec.nodeName", "string"});
    return SUCCESS;
  });
}

// What it reads of the state, whatever that is: has the container ended?
error_code read_ended(od::value value, bool& ended) {
  od::json_type type;
  if (error_code error = value.type().get(type)) return error;
  if (type != od::json_type::object) return SUCCESS;
  return each_field(value, [&](std::string_view key, od::value field) {
    bool null = true;
    if (key != "terminated") return SUCCESS;
    const error_code error = is_null(field, null);
    ended = !null;
    return error;
  });
}

error_code PodReader::container(od::value value, std::string_view path, ContainerStatus& out) {
  return object(value, {"PodStatus", path, "v1.ContainerStatus"}, [&](std::string_view key, od::value field) {
    std::string* wanted = key == "name"          ? &out.name
                          : key == "image"       ? &out.image
                          : key == "imageID"     ? &out.image_id
                          : key == "containerID" ? &out.id
                                                 : nullptr;
    if (key == "state") return read_ended(field, out.ended);
    return wanted ? text(field, *wanted, {"ContainerStatus", path, "string", key}) : SUCCESS;
  });
}

error_code PodReader::containers(od::value value, std::string_view path, std::vector<ContainerStatus>& out) {
  out.clear();
  return array(value, {"PodStatus", path, "[]v1.ContainerStatus"},
               [&](od::value element) { return container(element, path, out.emplace_back()); });
}

error_code PodReader::status(od::value value) {
  return object(value, {"Pod", "status", "v1.PodStatus"}, [this](std::string_view key, od::value field) {
    if (key == "phase") return text(field, pod_.phase, {"PodStatus", "status.phase", "v1.PodPhase"});
    if (key == "containerStatuses") return containers(field, "status.containerStatuses", pod_.containers);
    if (key == "initContainerStatuses") return containers(field, "status.initContainerStatuses", pod_.init_containers);
    return SUCCESS;
  });
}

error_code PodReader::read(od::object object) {
  return each_field_of_object(object, [this](std::string_view key, od::value field) {
    if (key == "metadata") return metadata(field);
    if (key == "spec") return spec(field);
    return key == "status" ? status(field) : SUCCESS;
  });
}

// In that phase, and no container may still have a process.
bool is_terminal(const PodFields& pod) {
  const auto over = [](const ContainerStatus& status) { return status.ended || status.id.empty(); };
  return (pod.phase == "Succeeded" || pod.phase == "Failed") && std::ranges::all_of(pod.containers, over) &&
         std::ranges::all_of(pod.init_containers, over);
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

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_scheme_character(char c) { return is_letter(c) || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.'; }

void add_containers(const std::vector<ContainerStatus>& statuses, Pod& pod) {
  for (const ContainerStatus& status : statuses) {
    if (status.id.empty()) continue;
    const std::optional<std::string_view> id = container_id_of(status.id);
    if (!id) ++pod.malformed_ids;
    if (!id || id->empty()) continue;
    std::vector<Selector> found = {{kType, "container-name:" + status.name},
                                   {kType, "container-image:" + status.image_id},
                                   {kType, "container-image:" + status.image}};
    pod.containers.push_back(
        PodContainer{std::string(*id), Selectors(std::move(found)), status.image, status.image_id});
  }
}

}  // namespace

// As Go's URLs have it: an optional scheme, and a host behind two slashes.
std::optional<std::string_view> container_id_of(std::string_view status_id) {
  const auto control = [](char c) { return static_cast<unsigned char>(c) < ' ' || c == 0x7f; };
  if (std::ranges::any_of(status_id, control)) return std::nullopt;
  std::string_view rest = status_id;
  const std::size_t colon = rest.find(':');
  if (colon < rest.find_first_of("/?#")) {
    const std::string_view scheme = rest.substr(0, colon);
    const bool begins = !scheme.empty() && is_letter(scheme.front());
    if (!begins || !std::ranges::all_of(scheme, is_scheme_character)) return std::nullopt;
    rest.remove_prefix(colon + 1);
  }
  for (std::size_t at = rest.find('%'); at != std::string_view::npos; at = rest.find('%', at + 1)) {
    const std::string_view digits = rest.substr(at + 1, 2);
    if (digits.size() < 2 || !std::ranges::all_of(digits, is_hex_digit)) return std::nullopt;
  }
  if (!rest.starts_with("//")) return std::string_view();
  return rest.substr(2, rest.find_first_of("/?#", 2) - 2);
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
  PodReader reader(fields);
  if (!error) error = reader.read(object);
  pod.uid = fields.uid;
  pod.broken = error ? simdjson::error_message(error) : reader.mistake();
  if (!pod.broken.empty()) return pod;
  pod.terminal = is_terminal(fields);
  if (pod.terminal) return pod;
  pod.name_space = fields.ns;
  pod.selectors = pod_selectors(fields);
  add_containers(fields.containers, pod);
  add_containers(fields.init_containers, pod);
  return pod;
}

}  // namespace steeple::attestation
