#include "agent/workload_api/jwt_claims.h"

#include <algorithm>

#include "google/protobuf/struct.pb.h"

namespace steeple::agent {
namespace {

void to_value(const JsonValue& from, google::protobuf::Value& to) {
  if (from.boolean()) {
    to.set_bool_value(*from.boolean());
  } else if (from.number()) {
    to.set_number_value(from.number()->to_double().value_or(0));
  } else if (from.text()) {
    to.set_string_value(*from.text());
  } else if (from.array()) {
    auto& list = *to.mutable_list_value();
    for (const JsonValue& item : *from.array()) to_value(item, *list.add_values());
  } else if (from.object()) {
    auto& fields = *to.mutable_struct_value()->mutable_fields();
    for (const JsonMember& member : *from.object()) to_value(member.value, fields[member.name]);
  } else {
    to.set_null_value(google::protobuf::NULL_VALUE);
  }
}

}  // namespace

void keep_claims(JsonValue& claims, std::span<const std::string> allowed) {
  std::erase_if(*claims.object(), [&](const JsonMember& claim) {
    if (claim.name == "sub" || claim.name == "exp" || claim.name == "aud") return false;
    return std::find(allowed.begin(), allowed.end(), claim.name) == allowed.end();
  });
}

void to_struct(const JsonValue& claims, google::protobuf::Struct& out) {
  auto& fields = *out.mutable_fields();
  for (const JsonMember& claim : *claims.object()) {
    google::protobuf::Value& value = fields[claim.name];
    if (claim.name == "aud" && claim.value.text()) {
      to_value(claim.value, *value.mutable_list_value()->add_values());
    } else {
      to_value(claim.value, value);
    }
  }
}

}  // namespace steeple::agent
