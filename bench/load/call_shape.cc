#include "bench/load/call_shape.h"

#include <fmt/format.h>

#include <cstdint>

namespace steeple::bench {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::string_view kSecretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

void put_varint(std::string& out, std::uint64_t value) {
  for (; value >= 0x80; value >>= 7) out.push_back(static_cast<char>(value | 0x80));
  out.push_back(static_cast<char>(value));
}

void put_text(std::string& out, unsigned field, std::string_view value) {
  put_varint(out, field << 3 | 2);
  put_varint(out, value.size());
  out += value;
}

std::string framed(std::string_view message) {
  std::string out(1, '\0');
  for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<char>(message.size() >> shift));
  return out += message;
}

bool take_varint(std::string_view& in, std::uint64_t& value) {
  value = 0;
  for (unsigned shift = 0; shift < 64 && !in.empty(); shift += 7) {
    auto byte = static_cast<unsigned char>(in.front());
    in.remove_prefix(1);
    value |= std::uint64_t{byte & 0x7fu} << shift;
    if (byte < 0x80) return true;
  }
  return false;
}

// The last value of a length-delimited field; a message of other wire types than varint and bytes ends the search.
std::string_view text_field(std::string_view message, unsigned field) {
  std::string_view found;
  std::uint64_t tag = 0, size = 0;
  while (take_varint(message, tag)) {
    if ((tag & 7) == 0) {
      if (!take_varint(message, size)) break;
      continue;
    }
    if ((tag & 7) != 2 || !take_varint(message, size) || size > message.size()) break;
    if (tag >> 3 == field) found = message.substr(0, size);
    message.remove_prefix(size);
  }
  return found;
}

// DiscoveryRequest: version_info 1, resource_names 3, type_url 4, response_nonce 5.
std::string discovery_request(std::string_view version, std::string_view secret, std::string_view nonce) {
  std::string message;
  if (!version.empty()) put_text(message, 1, version);
  put_text(message, 3, secret);
  put_text(message, 4, kSecretType);
  if (!nonce.empty()) put_text(message, 5, nonce);
  return framed(message);
}

std::string jwt_request(std::string_view audience) {
  std::string message;
  put_text(message, 1, audience);
  return framed(message);
}

}  // namespace

std::string request_of(const CallShape& call) {
  static std::uint64_t number = 0;
  return call.numbered ? jwt_request(fmt::format("{}-{}", call.secret, ++number)) : call.request;
}

std::string sds_acknowledgement(std::string_view response, std::string_view secret) {
  return discovery_request(text_field(response, 1), secret, text_field(response, 5));
}

Result<CallShape> call_shape(std::string_view name, std::string_view argument) {
  CallShape call;
  call.request = framed("");
  call.expect = "spiffe://";
  if (name == "x509") {
    call.path = "/SpiffeWorkloadAPI/FetchX509SVID";
  } else if (name == "x509-bundles") {
    call.path = "/SpiffeWorkloadAPI/FetchX509Bundles";
  } else if (name == "jwt" || name == "jwt-new") {
    call.request = jwt_request(argument);
    call.secret = argument;
    call.numbered = name == "jwt-new";
    call.path = "/SpiffeWorkloadAPI/FetchJWTSVID";
    call.unary = true;
  } else if (name == "sds") {
    call.path = "/envoy.service.secret.v3.SecretDiscoveryService/StreamSecrets";
    call.request = discovery_request("", argument, "");
    call.secret = argument;
    call.expect = "BEGIN CERTIFICATE";
    call.acknowledge = true;
  } else if (name == "health") {
    call.path = "/grpc.health.v1.Health/Check";
    call.expect = "";
    call.unary = true;
  } else {
    return Error(ErrorCode::kInvalidArgument, fmt::format("no such call: {}", name));
  }
  return call;
}

}  // namespace steeple::bench
