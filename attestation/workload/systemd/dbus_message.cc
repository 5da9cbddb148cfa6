#include "attestation/workload/systemd/dbus_message.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr char kLittle = 'l', kBig = 'B', kVersion = 1;
constexpr std::size_t kFixedHeaderSize = 16;  // the fixed part and the length of the fields
constexpr std::size_t kStructAlignment = 8;

enum Field : std::uint8_t {
  kPath = 1,
  kInterface = 2,
  kMember = 3,
  kErrorName = 4,
  kReplySerial = 5,
  kDestination = 6,
  kSignature = 8
};

Error malformed(std::string_view what) {
  return Error(ErrorCode::kMalformed, fmt::format("malformed D-Bus message: {}", what));
}

std::size_t aligned(std::size_t at, std::size_t to) { return (at + to - 1) / to * to; }
void align(std::string& out, std::size_t to) { out.resize(aligned(out.size(), to)); }
void put_number(std::string& out, std::uint32_t value) {
  align(out, 4);
  for (int shift = 0; shift < 32; shift += 8) out += static_cast<char>(value >> shift & 0xff);
}
void put_text(std::string& out, std::string_view text) {
  put_number(out, static_cast<std::uint32_t>(text.size()));
  out += text;
  out += '\0';
}
void put_signature(std::string& out, std::string_view signature) {
  out += static_cast<char>(signature.size());
  out += signature;
  out += '\0';
}

// Reads values one after another. After a failure everything else fails as well.
class Cursor {
 public:
  Cursor(std::string_view bytes, bool big_endian) : bytes_(bytes), big_(big_endian) {}
  bool failed() const { return failed_; }
  bool at_end() const { return failed_ || at_ == bytes_.size(); }
  void align_to(std::size_t to) { (void)take(std::min(aligned(at_, to), bytes_.size()) - at_); }

  std::uint8_t byte() {
    const std::string_view one = take(1);
    return one.empty() ? 0 : static_cast<std::uint8_t>(one[0]);
  }
  std::uint32_t number() {
    align_to(4);
    std::string_view digits = take(4);
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < digits.size(); ++i) {
      value = value << 8 | static_cast<unsigned char>(digits[big_ ? i : digits.size() - 1 - i]);
    }
    return value;
  }
  std::string text() { return terminated(number()); }
  std::string signature() { return terminated(byte()); }

  // A value whose type nobody asks for; only simple ones can stand in a header.
  void pass_over(std::string_view type) {
    if (type == "s" || type == "o") {
      (void)text();
    } else if (type == "g") {
      (void)signature();
    } else {
      const std::size_t size = size_of(type);
      if (size == 0) {
        failed_ = true;
        return;
      }
      align_to(size);
      (void)take(size);
    }
  }

 private:
  static std::size_t size_of(std::string_view type) {
    if (type == "y") return 1;
    if (type == "n" || type == "q") return 2;
    if (type == "u" || type == "i" || type == "b" || type == "h") return 4;
    return type == "x" || type == "t" || type == "d" ? 8 : 0;
  }
  std::string terminated(std::size_t size) {
    const std::string text(take(size));
    if (const std::string_view end = take(1); end.empty() || end[0] != '\0') failed_ = true;
    return failed_ ? std::string() : text;
  }
  std::string_view take(std::size_t size) {
    if (failed_ || size > bytes_.size() - at_) {
      failed_ = true;
      return {};
    }
    at_ += size;
    return bytes_.substr(at_ - size, size);
  }

  std::string_view bytes_;
  bool big_;
  std::size_t at_ = 0;
  bool failed_ = false;
};

void read_field(Cursor& cursor, DbusMessage& message) {
  const std::uint8_t field = cursor.byte();
  const std::string type = cursor.signature();
  const auto text_into = [&](std::string& out, std::string_view wanted) {
    if (type == wanted) {
      out = cursor.text();
    } else {
      cursor.pass_over("");
    }
  };
  switch (field) {
    case kPath:
      return text_into(message.path, "o");
    case kInterface:
      return text_into(message.interface, "s");
    case kMember:
      return text_into(message.member, "s");
    case kErrorName:
      return text_into(message.error_name, "s");
    case kDestination:
      return text_into(message.destination, "s");
    case kReplySerial:
      if (type != "u") return cursor.pass_over("");
      message.reply_serial = cursor.number();
      return;
    case kSignature:
      if (type != "g") return cursor.pass_over("");
      message.signature = cursor.signature();
      return;
    default:
      return cursor.pass_over(type);
  }
}

struct Sizes {
  std::size_t fields;
  std::size_t body;
  std::size_t whole() const { return aligned(kFixedHeaderSize + fields, kStructAlignment) + body; }
};

Result<Sizes> sizes_of(std::string_view header) {
  if (header[0] != kLittle && header[0] != kBig) return malformed("neither little nor big endian");
  if (header[3] != kVersion) return malformed("unknown version of the protocol");
  Cursor cursor(header, header[0] == kBig);
  for (int i = 0; i < 4; ++i) (void)cursor.byte();
  Sizes sizes{0, cursor.number()};
  (void)cursor.number();  // the serial
  sizes.fields = cursor.number();
  if (sizes.whole() > kDbusWireBytesMax) return malformed("larger than the protocol allows");
  return sizes;
}

Result<DbusMessage> parse(std::string_view bytes, const Sizes& sizes) {
  DbusMessage message;
  message.big_endian = bytes[0] == kBig;
  Cursor fixed(bytes, message.big_endian);
  (void)fixed.byte();
  message.type = static_cast<DbusMessage::Type>(fixed.byte());
  fixed.align_to(4);     // over flags and version
  (void)fixed.number();  // the body's size
  message.serial = fixed.number();
  Cursor fields(bytes.substr(0, kFixedHeaderSize + sizes.fields), message.big_endian);
  for (std::size_t i = 0; i < kFixedHeaderSize; ++i) (void)fields.byte();
  while (!fields.at_end()) {
    fields.align_to(kStructAlignment);
    if (!fields.at_end()) read_field(fields, message);
  }
  if (fields.failed()) return malformed("bad header field");
  message.body = bytes.substr(bytes.size() - sizes.body);
  return message;
}

void put_field(std::string& out, Field field, std::string_view type, std::string_view value) {
  if (value.empty()) return;
  align(out, kStructAlignment);
  out += static_cast<char>(field);
  put_signature(out, type);
  if (type == "g") {
    put_signature(out, value);
  } else {
    put_text(out, value);
  }
}

std::string unescaped(std::string_view value) {
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    unsigned code = 0;
    if (value[i] == '%' && i + 2 < value.size() &&
        std::from_chars(&value[i + 1], &value[i + 1] + 2, code, 16).ptr == &value[i + 1] + 2) {
      out += static_cast<char>(code);
      i += 2;
    } else {
      out += value[i];
    }
  }
  return out;
}

}  // namespace

std::optional<std::string> DbusMessage::text() const {
  if (!signature.starts_with('s') && !signature.starts_with('o')) return std::nullopt;
  Cursor cursor(body, big_endian);
  std::string value = cursor.text();
  if (cursor.failed()) return std::nullopt;
  return value;
}

std::optional<std::string> DbusMessage::variant_text() const {
  if (!signature.starts_with('v')) return std::nullopt;
  Cursor cursor(body, big_endian);
  if (cursor.signature() != "s") return std::nullopt;
  std::string value = cursor.text();
  if (cursor.failed()) return std::nullopt;
  return value;
}

DbusBody& DbusBody::number(std::uint32_t value) {
  signature_ += 'u';
  put_number(bytes_, value);
  return *this;
}

DbusBody& DbusBody::text(std::string_view value) {
  signature_ += 's';
  put_text(bytes_, value);
  return *this;
}

DbusBody& DbusBody::variant(std::string_view value) {
  signature_ += 'v';
  put_signature(bytes_, "s");
  put_text(bytes_, value);
  return *this;
}

std::string encode_dbus(const DbusMessage& message) {
  std::string out{kLittle, static_cast<char>(message.type), '\0', kVersion};
  put_number(out, static_cast<std::uint32_t>(message.body.size()));
  put_number(out, message.serial);
  put_number(out, 0);
  put_field(out, kPath, "o", message.path);
  put_field(out, kInterface, "s", message.interface);
  put_field(out, kMember, "s", message.member);
  put_field(out, kErrorName, "s", message.error_name);
  put_field(out, kDestination, "s", message.destination);
  put_field(out, kSignature, "g", message.signature);
  if (message.reply_serial != 0) {
    align(out, kStructAlignment);
    out += static_cast<char>(kReplySerial);
    put_signature(out, "u");
    put_number(out, message.reply_serial);
  }
  std::string size;
  put_number(size, static_cast<std::uint32_t>(out.size() - kFixedHeaderSize));
  out.replace(kFixedHeaderSize - size.size(), size.size(), size);
  align(out, kStructAlignment);
  return out + message.body;
}

Result<std::optional<DbusMessage>> DbusReader::next() {
  const std::size_t passed = std::min(passing_over_, buffer_.size());
  buffer_.erase(0, passed);
  passing_over_ -= passed;
  if (passing_over_ > 0 || buffer_.size() < kFixedHeaderSize) return std::optional<DbusMessage>();
  STEEPLE_TRY(sizes, sizes_of(std::string_view(buffer_).substr(0, kFixedHeaderSize)));
  if (sizes.whole() > kDbusMessageBytesMax) {
    passing_over_ = sizes.whole();
    return next();
  }
  if (buffer_.size() < sizes.whole()) return std::optional<DbusMessage>();
  STEEPLE_TRY(message, parse(std::string_view(buffer_).substr(0, sizes.whole()), sizes));
  buffer_.erase(0, sizes.whole());
  return std::optional(std::move(message));
}

Result<std::string> dbus_socket_path(std::string_view address) {
  std::string_view rest = address;
  while (!rest.empty()) {
    std::string_view one = rest.substr(0, rest.find(';'));
    rest.remove_prefix(std::min(one.size() + 1, rest.size()));
    if (!one.starts_with("unix:")) continue;
    one.remove_prefix(5);
    while (!one.empty()) {
      const std::string_view pair = one.substr(0, one.find(','));
      one.remove_prefix(std::min(pair.size() + 1, one.size()));
      const std::size_t equals = std::min(pair.find('='), pair.size());
      const std::string_view key = pair.substr(0, equals);
      if (key != "path" && key != "abstract") continue;
      std::string path = unescaped(pair.substr(std::min(equals + 1, pair.size())));
      if (path.empty()) continue;
      return key == "path" ? path : std::string(1, '\0') + path;
    }
  }
  return Error(ErrorCode::kInvalidArgument,
               fmt::format("the bus address \"{}\" has no path of a Unix socket", address));
}

}  // namespace steeple::attestation
