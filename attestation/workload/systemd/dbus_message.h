// Messages of D-Bus (the D-Bus specification, "Message Protocol"), as far as a client needs them that calls methods
// with numbers and texts and reads texts: sans I/O, bounded. Foreign input: anybody on the bus may send signals to
// anybody.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::attestation {

// Larger messages are passed over, unread: none that is waited for is.
inline constexpr std::size_t kDbusMessageBytesMax = 64 * 1024;
inline constexpr std::size_t kDbusWireBytesMax = 128 * 1024 * 1024;  // the protocol's own limit

struct DbusMessage {
  enum class Type : std::uint8_t { kCall = 1, kReply = 2, kError = 3, kSignal = 4 };
  Type type = Type::kCall;
  std::uint32_t serial = 0;
  std::uint32_t reply_serial = 0;  // of the call this answers
  std::string path, interface, member, error_name, destination;
  std::string signature;  // of the body
  std::string body;
  bool big_endian = false;

  // The body's first value, where its type is the one asked for.
  std::optional<std::string> text() const;          // s or o
  std::optional<std::string> variant_text() const;  // v that holds s
};

// Little-endian, as this machine's clients send. `message.big_endian` is false.
std::string encode_dbus(const DbusMessage& message);

// Builds a body.
class DbusBody {
 public:
  DbusBody& number(std::uint32_t value);      // u
  DbusBody& text(std::string_view value);     // s, o
  DbusBody& variant(std::string_view value);  // v that holds s
  const std::string& signature() const { return signature_; }
  const std::string& bytes() const { return bytes_; }

 private:
  std::string signature_, bytes_;
};

// Cuts a stream into messages.
class DbusReader {
 public:
  void feed(std::string_view bytes) { buffer_ += bytes; }
  // Nothing: more bytes are needed. kMalformed ends the stream: what follows cannot be understood.
  runtime::Result<std::optional<DbusMessage>> next();

 private:
  std::string buffer_;
  std::size_t passing_over_ = 0;  // bytes of a message that is too large
};

// The path of a bus address' first usable transport, "unix:path=/run/dbus/system_bus_socket"; an abstract name starts
// with a zero byte. kInvalidArgument: no such transport.
runtime::Result<std::string> dbus_socket_path(std::string_view address);

}  // namespace steeple::attestation
