#include "attestation/workload/docker/inspect.h"

#include <fmt/format.h>

#include <map>

#include "attestation/workload/json_walk.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

using namespace json_walk;

struct Fields {
  std::vector<Selector> selectors;
  std::map<std::string, std::string> labels;
  DockerContainer container;
};

void add(Fields& fields, std::string value) {
  fields.selectors.emplace_back(std::string(kDockerName), std::move(value));
}

error_code read_labels(od::value value, Fields& fields) {
  return each_field(value, [&](std::string_view key, od::value text) {
    std::string& label = fields.labels[std::string(key)];  // of a key that comes twice the last one counts
    label.clear();
    return read_text(text, label);
  });
}

error_code read_environment(od::value value, Fields& fields) {
  return each_element(value, [&](od::value element) {
    std::string text;
    if (error_code error = read_text(element, text)) return error;
    add(fields, "env:" + text);
    return SUCCESS;
  });
}

error_code read_config(od::value value, Fields& fields) {
  return each_field(value, [&](std::string_view key, od::value field) {
    if (key == "Labels") return read_labels(field, fields);
    if (key == "Env") return read_environment(field, fields);
    if (key == "Image") return read_text(field, fields.container.image);
    return SUCCESS;
  });
}

error_code read_state(od::value value, DockerContainer& container) {
  return each_field(value, [&](std::string_view key, od::value field) -> error_code {
    if (key != "Pid") return SUCCESS;
    bool null = false;
    if (error_code error = is_null(field, null); error || null) return error;
    return field.get_int64().get(container.pid.emplace());
  });
}

template <class Take>
error_code read_object(std::string_view json, Take take) {
  const simdjson::padded_string padded(json);
  od::parser parser;
  od::document document;
  if (error_code error = parser.iterate(padded).get(document)) return error;
  od::object object;
  if (error_code error = document.get_object().get(object)) return error;
  if (error_code error = each_field_of_object(object, take)) return error;
  const char* rest = nullptr;
  return document.current_location().get(rest) == simdjson::OUT_OF_BOUNDS ? SUCCESS : simdjson::TAPE_ERROR;
}

Error malformed(std::string_view what, error_code error) {
  return Error(ErrorCode::kMalformed, fmt::format("unable to read the daemon's answer about the {}: {}", what,
                                                  simdjson::error_message(error)));
}

}  // namespace

Result<DockerContainer> parse_docker_container(std::string_view json) {
  Fields fields;
  const error_code error = read_object(json, [&](std::string_view key, od::value value) {
    if (key == "Config") return read_config(value, fields);
    if (key == "State") return read_state(value, fields.container);
    return SUCCESS;
  });
  if (error) return malformed("container", error);
  for (const auto& [key, value] : fields.labels) add(fields, fmt::format("label:{}:{}", key, value));
  if (!fields.container.image.empty()) add(fields, "image_id:" + fields.container.image);
  fields.container.selectors = Selectors(std::move(fields.selectors));
  return std::move(fields.container);
}

Result<DockerImage> parse_docker_image(std::string_view json) {
  DockerImage image;
  const error_code error = read_object(json, [&](std::string_view key, od::value value) {
    if (key == "Id") return read_text(value, image.id);
    if (key != "RepoDigests") return SUCCESS;
    return each_element(value, [&](od::value digest) { return read_text(digest, image.repo_digests.emplace_back()); });
  });
  if (error) return malformed("image", error);
  return image;
}

std::string parse_docker_message(std::string_view json) {
  std::string message;
  const error_code error = read_object(json, [&](std::string_view key, od::value value) {
    return key == "message" ? read_text(value, message) : SUCCESS;
  });
  if (error) message.clear();
  return message;
}

}  // namespace steeple::attestation
