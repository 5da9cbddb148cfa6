#include "tests/fakes/raw_http2_client.h"

#include <nghttp2/nghttp2.h>

#include "runtime/core/assert.h"

namespace steeple::runtime::fakes {

Bytes bytes_of(std::string_view text) { return to_bytes(as_bytes(text)); }

Bytes& operator+=(Bytes& out, const Bytes& more) {
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

Bytes frame(std::uint8_t type, std::uint8_t flags, std::uint32_t stream, BytesView payload) {
  auto byte = [](std::size_t value, int shift) { return static_cast<std::uint8_t>(value >> shift); };
  std::size_t size = payload.size();
  Bytes out{byte(size, 16),   byte(size, 8),    byte(size, 0),   type,           flags,
            byte(stream, 24), byte(stream, 16), byte(stream, 8), byte(stream, 0)};
  out.insert(out.end(), payload.begin(), payload.end());
  return out;
}

namespace {
void add_string(Bytes& out, std::string_view text) {
  std::size_t size = text.size();
  if (size < 127) {
    out.push_back(static_cast<std::uint8_t>(size));
  } else {
    out.push_back(127);
    for (size -= 127; size >= 128; size >>= 7) out.push_back(static_cast<std::uint8_t>(size & 127) | 128);
    out.push_back(static_cast<std::uint8_t>(size));
  }
  out.insert(out.end(), text.begin(), text.end());
}
}  // namespace

Bytes header_block(const HeaderList& headers) {
  Bytes out;
  for (const auto& [name, value] : headers) {
    out.push_back(0);
    add_string(out, name);
    add_string(out, value);
  }
  return out;
}

HeaderList request_headers(const std::string& path, const HeaderList& more) {
  HeaderList headers{{":method", "POST"},
                     {":scheme", "http"},
                     {":path", path},
                     {":authority", "localhost"},
                     {"content-type", "application/grpc"},
                     {"te", "trailers"}};
  headers.insert(headers.end(), more.begin(), more.end());
  return headers;
}

Bytes client_preface() {
  Bytes out = bytes_of("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  out += frame(kSettings, 0, 0, {});
  return out;
}

Bytes message_frame(std::string_view message) {
  Bytes out{0};
  for (int shift : {24, 16, 8, 0}) out.push_back(static_cast<std::uint8_t>(message.size() >> shift));
  out += bytes_of(message);
  return out;
}

std::uint32_t number_at(BytesView bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t i = at; i < at + 4 && i < bytes.size(); ++i) value = value << 8 | bytes[i];
  return value;
}

struct RawClient::Inflater {
  Inflater() { STEEPLE_ASSERT(nghttp2_hd_inflate_new(&inflater) == 0); }
  ~Inflater() { nghttp2_hd_inflate_del(inflater); }
  HeaderList inflate(const Bytes& block) {
    HeaderList headers;
    const std::uint8_t* at = block.data();
    std::size_t left = block.size();
    for (;;) {
      nghttp2_nv entry;
      int flags = 0;
      auto used = nghttp2_hd_inflate_hd2(inflater, &entry, &flags, at, left, 1);
      STEEPLE_ASSERT(used >= 0);
      at += used;
      left -= static_cast<std::size_t>(used);
      if (flags & NGHTTP2_HD_INFLATE_EMIT) {
        headers.emplace_back(std::string(entry.name, entry.name + entry.namelen),
                             std::string(entry.value, entry.value + entry.valuelen));
      }
      if (flags & NGHTTP2_HD_INFLATE_FINAL) break;
    }
    nghttp2_hd_inflate_end_headers(inflater);
    return headers;
  }
  nghttp2_hd_inflater* inflater = nullptr;
};

RawClient::RawClient(std::unique_ptr<Transport> transport)
    : transport_(std::move(transport)), inflater_(std::make_unique<Inflater>()) {}
RawClient::~RawClient() = default;

Task<void> RawClient::send(Bytes bytes) { (void)co_await transport_->send(bytes); }

Task<void> RawClient::read_until(std::function<bool(const std::vector<Frame>&)> done) {
  while (!ended && !done(frames)) {
    Result<ReceivedBytes> received = co_await transport_->receive();
    if (!received || received->end_of_stream()) {
      ended = true;
      break;
    }
    parse(received->view());
  }
}

Task<void> RawClient::read_to_end() {
  co_await read_until([](const std::vector<Frame>&) { return false; });
}

Task<void> RawClient::close() {
  transport_->cancel(StopReason::kShutdown);
  co_await transport_->close();
}

void RawClient::parse(BytesView bytes) {
  unparsed_.insert(unparsed_.end(), bytes.begin(), bytes.end());
  std::size_t at = 0;
  while (unparsed_.size() - at >= 9) {
    std::size_t size = number_at(unparsed_, at) >> 8;
    if (unparsed_.size() - at < 9 + size) break;
    Frame next{unparsed_[at + 3], unparsed_[at + 4], number_at(unparsed_, at + 5), {}, {}};
    next.payload.assign(unparsed_.begin() + static_cast<std::ptrdiff_t>(at + 9),
                        unparsed_.begin() + static_cast<std::ptrdiff_t>(at + 9 + size));
    if (next.type == kHeaders) next.headers = inflater_->inflate(next.payload);
    frames.push_back(std::move(next));
    at += 9 + size;
  }
  unparsed_.erase(unparsed_.begin(), unparsed_.begin() + static_cast<std::ptrdiff_t>(at));
}

std::vector<Frame> RawClient::of_type(std::uint8_t type) const {
  std::vector<Frame> found;
  for (const Frame& one : frames) {
    if (one.type == type) found.push_back(one);
  }
  return found;
}

}  // namespace steeple::runtime::fakes
