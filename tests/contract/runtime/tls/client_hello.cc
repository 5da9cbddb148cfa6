// The ClientHello against the stock agent's (golden/server-api/client-hello.json): versions, ALPN, TLS 1.2 suites, and
// a server name for names only.
#include <boost/asio/ip/tcp.hpp>
#include <catch2/catch.hpp>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/task_group.h"
#include "runtime/tls/tls_transport.h"

using namespace steeple::runtime;
using boost::asio::ip::tcp;

namespace {

// Takes a hello apart; fails the test when it is shorter than it says.
class Reader {
 public:
  explicit Reader(BytesView bytes) : bytes_(bytes) {}
  unsigned number(std::size_t octets) {
    unsigned value = 0;
    for (std::uint8_t byte : take(octets)) value = value << 8 | byte;
    return value;
  }
  BytesView take(std::size_t size) {
    REQUIRE(bytes_.size() >= size);
    BytesView out = bytes_.first(size);
    bytes_ = bytes_.subspan(size);
    return out;
  }
  Reader block(std::size_t length_octets) { return Reader(take(number(length_octets))); }
  bool empty() const { return bytes_.empty(); }

 private:
  BytesView bytes_;
};

struct Hello {
  std::vector<unsigned> ciphers;
  std::vector<unsigned> versions;
  std::vector<std::string> protocols;
  std::string server_name;
  bool has_session_ticket = false;
};

void read_extension(Hello& hello, unsigned type, Reader body) {
  if (type == 0) {
    Reader list = body.block(2);
    list.number(1);
    Reader name = list.block(2);
    while (!name.empty()) hello.server_name += static_cast<char>(name.number(1));
  } else if (type == 16) {
    Reader list = body.block(2);
    while (!list.empty()) {
      Reader name = list.block(1);
      std::string text;
      while (!name.empty()) text += static_cast<char>(name.number(1));
      hello.protocols.push_back(text);
    }
  } else if (type == 43) {
    Reader list = body.block(1);
    while (!list.empty()) hello.versions.push_back(list.number(2));
  } else if (type == 35) {
    hello.has_session_ticket = true;
  }
}

Hello read_hello(BytesView record) {
  Hello hello;
  Reader reader(record);
  REQUIRE(reader.number(1) == 22);
  reader.number(2);
  Reader handshake = reader.block(2);
  REQUIRE(handshake.number(1) == 1);
  Reader body = handshake.block(3);
  body.take(2 + 32);
  body.block(1);
  Reader ciphers = body.block(2);
  while (!ciphers.empty()) hello.ciphers.push_back(ciphers.number(2));
  body.block(1);
  Reader extensions = body.block(2);
  while (!extensions.empty()) {
    unsigned type = extensions.number(2);
    read_extension(hello, type, extensions.block(2));
  }
  return hello;
}

Task<void> record_hello(Loop& loop, tcp::acceptor& acceptor, Bytes& out) {
  tcp::socket socket(loop.io());
  co_await async_op<boost::system::error_code>(
      [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); });
  out.resize(4096);
  auto [error, size] = co_await async_op<boost::system::error_code, std::size_t>(
      [&](auto handler) { socket.async_read_some(boost::asio::buffer(out), std::move(handler)); });
  out.resize(size);
}

Task<Result<std::unique_ptr<Transport>>> connect(Loop& loop, std::string host, std::uint16_t port, bool tls13_only) {
  TlsClientContext::Options options;
  options.verifier = [](std::span<const Bytes>) -> Result<void> { return {}; };
  options.tls13_only = tls13_only;
  TlsConnector connector(loop, {std::move(host), port}, *TlsClientContext::make(std::move(options)));
  co_return co_await connector.connect(Deadline::in(std::chrono::seconds(5)), {});
}

Hello hello_for(const std::string& host, bool tls13_only = false) {
  Loop loop;
  tcp::acceptor acceptor(loop.io(), tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0));
  TaskGroup group(loop);
  Bytes record;
  group.spawn(record_hello(loop, acceptor, record));
  auto result = run_until_done(loop, connect(loop, host, acceptor.local_endpoint().port(), tls13_only));
  CHECK_FALSE(result);
  run_until_done(loop, group.join());
  return read_hello(record);
}

}  // namespace

TEST_CASE("The ClientHello offers what the stock agent's does") {
  Hello hello = hello_for("127.0.0.1");
  CHECK(hello.server_name.empty());
  CHECK(hello.protocols == std::vector<std::string>{"h2"});
  CHECK(hello.versions == std::vector<unsigned>{0x0304, 0x0303});
  CHECK_FALSE(hello.has_session_ticket);
  std::vector<unsigned> tls12;
  for (unsigned cipher : hello.ciphers) {
    if (cipher >> 8 == 0xc0 || cipher >> 8 == 0xcc) tls12.push_back(cipher);
  }
  CHECK(tls12 == std::vector<unsigned>{0xc02b, 0xc02f, 0xc02c, 0xc030, 0xcca9, 0xcca8});
  for (unsigned cipher : {0x1301u, 0x1302u, 0x1303u}) {
    CHECK(std::count(hello.ciphers.begin(), hello.ciphers.end(), cipher) == 1);
  }
}

TEST_CASE("A host name is sent as server name") { CHECK(hello_for("localhost").server_name == "localhost"); }

TEST_CASE("TLS 1.3 alone can be asked for") {
  Hello hello = hello_for("127.0.0.1", true);
  CHECK(hello.versions == std::vector<unsigned>{0x0304});
}
