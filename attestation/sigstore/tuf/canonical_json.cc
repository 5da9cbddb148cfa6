#include "attestation/sigstore/tuf/canonical_json.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace steeple::attestation {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
namespace dom = simdjson::dom;

constexpr double kExactMax = 9007199254740992.0;  // 2^53: what is above is not signed as it is written

class Writer {
 public:
  Result<std::string> write(dom::element value) {
    STEEPLE_CHECK(append(value));
    return std::move(out_);
  }

 private:
  Result<void> append(dom::element value) {
    switch (value.type()) {
      case dom::element_type::STRING:
        append_text(std::string_view(value));
        return {};
      case dom::element_type::BOOL:
        out_ += bool(value) ? "true" : "false";
        return {};
      case dom::element_type::NULL_VALUE:
        out_ += "null";
        return {};
      case dom::element_type::ARRAY:
        return append_array(dom::array(value));
      case dom::element_type::OBJECT:
        return append_object(dom::object(value));
      default:
        return append_number(value);
    }
  }

  void append_text(std::string_view text) {
    out_ += '"';
    for (char c : text) {
      if (c == '"' || c == '\\') out_ += '\\';
      out_ += c;
    }
    out_ += '"';
  }

  Result<void> append_number(dom::element value) {
    double number = 0;
    if (value.get_double().get(number) || std::floor(number) != number || std::fabs(number) > kExactMax) {
      return Error(ErrorCode::kMalformed, "canonical JSON: not a whole number");
    }
    out_ += std::to_string(static_cast<std::int64_t>(number));
    return {};
  }

  Result<void> append_array(dom::array array) {
    out_ += '[';
    bool first = true;
    for (dom::element item : array) {
      if (!first) out_ += ',';
      first = false;
      STEEPLE_CHECK(append(item));
    }
    out_ += ']';
    return {};
  }

  Result<void> append_object(dom::object object) {
    std::vector<dom::key_value_pair> members;
    for (dom::key_value_pair member : object) members.push_back(member);
    std::sort(members.begin(), members.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    out_ += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0 && members[i].key == members[i - 1].key) {
        return Error(ErrorCode::kMalformed, "canonical JSON: a member is there twice");
      }
      if (i > 0) out_ += ',';
      append_text(members[i].key);
      out_ += ':';
      STEEPLE_CHECK(append(members[i].value));
    }
    out_ += '}';
    return {};
  }

  std::string out_;
};

}  // namespace

Result<std::string> canonical_json(dom::element value) { return Writer().write(value); }

}  // namespace steeple::attestation
