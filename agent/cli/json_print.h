// JSON as the commands print it: on one line, keys sorted (config-cli 4.2, 4.5).
#pragma once

#include <string>
#include <string_view>

namespace google::protobuf {
class Struct;
}

namespace steeple::agent::cli {

// Go's two encoders: encoding/json also escapes HTML characters and the two Unicode line ends, protojson does not.
enum class JsonStyle { kEncodingJson, kProtoJson };

std::string json_quote(std::string_view text, JsonStyle style = JsonStyle::kEncodingJson);
std::string json_bytes(const std::string& bytes);  // base64
std::string json_number(double number);            // 1786968000, 1.5, 1e+21
std::string json_struct(const google::protobuf::Struct& value, JsonStyle style);

}  // namespace steeple::agent::cli
