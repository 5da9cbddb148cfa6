// HTTP/2 frames by hand, and a client that sends exactly what it is told: for peers that misbehave. I/O thread only.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/engine/byte_stream.h"

namespace steeple::runtime::fakes {

Bytes bytes_of(std::string_view text);

using HeaderList = std::vector<std::pair<std::string, std::string>>;
Bytes frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, BytesView payload);
Bytes header_block(const HeaderList& headers);  // HPACK literals without indexing
HeaderList request_headers(const std::string& path, const HeaderList& more = {});
Bytes client_preface();                         // the magic and empty SETTINGS
Bytes message_frame(std::string_view message);  // the gRPC prefix and the message
Bytes& operator+=(Bytes& out, const Bytes& more);

inline constexpr std::uint8_t kData = 0, kHeaders = 1, kReset = 3, kSettings = 4, kPing = 6, kGoaway = 7,
                              kWindowUpdate = 8;
inline constexpr std::uint8_t kEndStream = 1, kAck = 1, kEndHeaders = 4;

struct Frame {
  std::uint8_t type;
  std::uint8_t flags;
  std::uint32_t stream;
  Bytes payload;
  HeaderList headers;  // of a HEADERS frame
};
std::uint32_t number_at(BytesView bytes, std::size_t at);

// A client that sends what it is told, and keeps the frames that come.
class RawClient {
 public:
  explicit RawClient(std::unique_ptr<Transport> transport);
  ~RawClient();
  Task<void> send(Bytes bytes);
  // Until `done` says so for the frames so far, or the connection ends.
  Task<void> read_until(std::function<bool(const std::vector<Frame>&)> done);
  Task<void> read_to_end();
  Task<void> close();
  std::vector<Frame> of_type(std::uint8_t type) const;
  std::size_t count(std::uint8_t type) const { return of_type(type).size(); }

  std::vector<Frame> frames;
  bool ended = false;

 private:
  void parse(BytesView bytes);
  struct Inflater;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<Inflater> inflater_;
  Bytes unparsed_;
};

}  // namespace steeple::runtime::fakes
