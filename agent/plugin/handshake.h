// The line with which a plugin says where it listens (config-cli 1.8): CORE|APP|NETWORK|ADDRESS|PROTOCOL[|CERT[|MUX]].
// Pure. Errors are kMalformed or kInvalidArgument with go-plugin's texts.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::agent {

inline constexpr std::size_t kHandshakeShownMax = 512;  // bytes of a wrong line that an error repeats

struct PluginAddress {
  std::string network;  // "unix" or "tcp"
  std::string address;  // a path, or HOST:PORT
};

// `line` without its newline.
runtime::Result<PluginAddress> parse_handshake(std::string_view line);

// What is said of a plugin whose first line is no handshake. `ended`: without any line at all. `program`: for what the
// file looks like, which is looked up.
runtime::Error unrecognized_handshake(std::string_view line, bool ended);
std::string describe_program(const std::string& program);

}  // namespace steeple::agent
