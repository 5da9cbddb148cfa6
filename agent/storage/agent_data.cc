#include "agent/storage/agent_data.h"

#include <fmt/format.h>
#include <simdjson.h>

#include <array>

#include "agent/spiffe/json_text.h"
#include "runtime/core/go_text.h"
#include "runtime/core/go_time.h"
#include "runtime/tls/encoding.h"

namespace steeple::agent {

using runtime::Certificates;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
namespace dom = simdjson::dom;

namespace {

Error wrong_type(std::string_view member) {
  return Error(ErrorCode::kMalformed, fmt::format("json: member {} has the wrong type", runtime::go_quote(member)));
}

// Each element is one certificate: base64 of its PEM text.
Result<Certificates> read_certificates(dom::element value, std::string_view member) {
  Certificates out;
  if (value.is_null()) return out;
  dom::array list;
  if (value.get(list) != simdjson::SUCCESS) return wrong_type(member);
  for (dom::element item : list) {
    std::string_view base64;
    if (item.get(base64) != simdjson::SUCCESS) return wrong_type(member);
    STEEPLE_TRY(pem, runtime::base64_decode(base64));
    STEEPLE_TRY(certificates, runtime::parse_certificates_pem(runtime::as_text(pem)));
    if (certificates.size() != 1) {
      return Error(ErrorCode::kMalformed, fmt::format("expected 1 PEM blocks; got {}", certificates.size()));
    }
    out.push_back(std::move(certificates.front()));
  }
  return out;
}

Result<void> read_bootstrap(BootstrapState& state, std::string_view name, dom::element value) {
  if (same_member(name, "bootstrap_use")) {
    std::int64_t use = 0;
    if (value.get(use) != simdjson::SUCCESS) return wrong_type(name);
    // A number that no version writes is taken as unspecified: the agent then looks at what it has.
    state.use = use == 1 || use == 2 ? static_cast<BootstrapUse>(use) : BootstrapUse::kUnspecified;
  } else if (same_member(name, "bootstrap_start_time")) {
    std::string_view text;
    if (value.get(text) != simdjson::SUCCESS) return wrong_type(name);
    STEEPLE_TRY(time, with_context(runtime::parse_rfc3339(text), "bootstrap_start_time"));
    state.start_time = time;
  } else if (same_member(name, "connection_attempts")) {
    if (value.get(state.connection_attempts) != simdjson::SUCCESS) return wrong_type(name);
  }
  return {};
}

Result<void> read_member(AgentData& data, std::string_view name, dom::element value) {
  if (same_member(name, "svid")) {
    STEEPLE_TRY(svid, with_context(read_certificates(value, name), "failed to parse SVID"));
    data.svid = std::move(svid);
  } else if (same_member(name, "bundle")) {
    STEEPLE_TRY(bundle, with_context(read_certificates(value, name), "failed to parse bundle"));
    data.bundle = std::move(bundle);
  } else if (!value.is_null() && same_member(name, "reattestable")) {
    if (value.get(data.reattestable) != simdjson::SUCCESS) return wrong_type(name);
  } else if (!value.is_null()) {
    return read_bootstrap(data.bootstrap, name, value);
  }
  return {};
}

Result<AgentData> read(std::string_view json) {
  dom::parser parser;
  dom::element root;
  if (auto error = parser.parse(json.data(), json.size(), true).get(root); error != simdjson::SUCCESS) {
    return json_error(json, simdjson::error_message(error));
  }
  AgentData data;
  if (root.is_null()) return data;
  dom::object object;
  if (root.get(object) != simdjson::SUCCESS) return Error(ErrorCode::kMalformed, "json: not an object");
  for (auto [name, value] : object) STEEPLE_CHECK(read_member(data, name, value));
  return data;
}

std::string certificate_list(const Certificates& certificates) {
  if (certificates.empty()) return "null";
  std::string out = "[";
  for (const runtime::Certificate& certificate : certificates) {
    std::string pem = runtime::to_pem(certificate);
    out += fmt::format("{}\"{}\"", out.size() > 1 ? "," : "", runtime::base64_encode(runtime::as_bytes(pem)));
  }
  return out += "]";
}

}  // namespace

Result<AgentData> parse_agent_data(std::string_view json) {
  if (json.size() > kAgentDataSizeMax) return Error(ErrorCode::kLimit, "failed to unmarshal data: file is too large");
  return with_context(read(json), "failed to unmarshal data");
}

std::string format_agent_data(const AgentData& data) {
  const BootstrapState& state = data.bootstrap;
  std::string start_time =
      state.start_time ? runtime::rfc3339_nano(*state.start_time) : std::string(runtime::kZeroTime);
  return fmt::format(R"({{"svid":{},"bundle":{},"reattestable":{},"bootstrap_use":{},)"
                     R"("bootstrap_start_time":"{}","connection_attempts":{}}})",
                     certificate_list(data.svid), certificate_list(data.bundle), data.reattestable,
                     static_cast<int>(state.use), start_time, state.connection_attempts);
}

}  // namespace steeple::agent
