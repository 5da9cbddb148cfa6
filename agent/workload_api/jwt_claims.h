// A verified token's claims as the caller is told them (endpoints 2.5). Pure.
#pragma once

#include <span>
#include <string>

#include "agent/spiffe/json_value.h"

namespace google::protobuf {
class Struct;
}

namespace steeple::agent {

// Of a foreign token only sub, exp, aud and the allowed ones stay.
void keep_claims(JsonValue& claims, std::span<const std::string> allowed);

// Numbers become doubles; an `aud` that is a text becomes a list of one.
void to_struct(const JsonValue& claims, google::protobuf::Struct& out);

}  // namespace steeple::agent
