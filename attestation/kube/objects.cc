#include "attestation/kube/objects.h"

#include "attestation/kube/object_json.h"

namespace steeple::attestation {

using object_json::element;
using object_json::labels_of;
using object_json::malformed;
using object_json::parse;
using object_json::text_of;
using runtime::Result;

namespace {

KubeMeta meta_of(element object) {
  return KubeMeta{text_of(object["metadata"]["name"]), text_of(object["metadata"]["resourceVersion"]),
                  labels_of(object)};
}

Result<KubeEvent> event_of(std::string_view type, element object) {
  KubeEvent event;
  if (type == "ERROR") {
    std::int64_t code = 0;
    if (!object["code"].get_int64().get(code)) event.code = static_cast<int>(code);
    event.message = text_of(object["message"]);
    return event;
  }
  event.object = meta_of(object);
  if (type == "BOOKMARK") {
    event.kind = KubeEvent::Kind::kBookmark;
    return event;
  }
  if (event.object.name.empty()) return malformed("an event without an object's name");
  if (type == "ADDED") {
    event.kind = KubeEvent::Kind::kAdded;
  } else if (type == "MODIFIED") {
    event.kind = KubeEvent::Kind::kModified;
  } else if (type == "DELETED") {
    event.kind = KubeEvent::Kind::kDeleted;
  } else {
    return malformed("an event of unknown type");
  }
  return event;
}

}  // namespace

Result<KubeMeta> parse_meta(std::string_view json) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(root, parse(parser, json));
  return meta_of(root);
}

Result<KubeMetaList> parse_meta_list(std::string_view json) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(root, parse(parser, json));
  KubeMetaList list;
  list.resource_version = text_of(root["metadata"]["resourceVersion"]);
  list.next = text_of(root["metadata"]["continue"]);
  element items;
  if (root["items"].get(items) || items.is_null()) return list;
  simdjson::dom::array objects;
  if (items.get_array().get(objects)) return malformed("items is no list");
  for (element object : objects) {
    if (!object.is_object()) return malformed("an item is no object");
    list.items.push_back(meta_of(object));
    if (list.items.back().name.empty()) return malformed("an item without a name");
  }
  return list;
}

Result<KubeEvent> parse_event(std::string_view json) {
  simdjson::dom::parser parser;
  STEEPLE_TRY(root, parse(parser, json));
  element object;
  if (root["object"].get(object) || !object.is_object()) return malformed("an event without object");
  return event_of(text_of(root["type"]), object);
}

std::string status_message(std::string_view json) {
  simdjson::dom::parser parser;
  Result<element> root = parse(parser, json);
  if (!root || text_of((*root)["kind"]) != "Status") return {};
  return text_of((*root)["message"]);
}

}  // namespace steeple::attestation
