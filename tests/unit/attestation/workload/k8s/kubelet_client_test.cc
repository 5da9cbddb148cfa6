// The kubelet client against small servers: every way an answer can be bad, and credentials as files.
#include "attestation/workload/k8s/kubelet_client.h"

#include <unistd.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/write.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "runtime/task/async_op.h"
#include "runtime/task/blocking.h"
#include "runtime/task/timeout.h"
#include "runtime/tls/tls_transport.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using namespace steeple::testing;
using boost::asio::ip::tcp;
using std::chrono_literals::operator""s;

namespace {

using SharedIndex = std::shared_ptr<const PodIndex>;
const std::string kList =
    R"({"items":[{"metadata":{"uid":"u"},"status":{"containerStatuses":[{"containerID":"containerd://c"}]}}]})";

std::string answer_of(const std::string& status, const std::string& body) {
  return "HTTP/1.1 " + status + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

struct Files {
  Files() : folder("/tmp/steeple-kubelet-" + std::to_string(getpid())) { std::filesystem::create_directories(folder); }
  ~Files() { std::filesystem::remove_all(folder); }
  std::string write(const std::string& name, const std::string& text) const {
    std::ofstream(folder + "/" + name) << text;
    return folder + "/" + name;
  }
  std::string folder;
};

// A kubelet whose certificate is good for 127.0.0.1 or for nothing; plain where the read-only port is meant.
class Kubelet {
 public:
  explicit Kubelet(bool secure, std::vector<std::string> names = {"localhost"}) : secure_(secure) {
    CertificateTemplate wanted = leaf_template(key, "", now);
    wanted.dns_sans = std::move(names);
    wanted.subject = {{NameAttribute::Type::kCommonName, "localhost"}};
    leaf.emplace(Leaf{sign(wanted, authority.key, &authority.certificate), key});
    TlsServerContext::Options options;
    options.alpn = "";
    options.identity = [this] { return std::optional(identity_of(*leaf)); };
    options.verifier = [this](std::span<const Bytes> chain) -> Result<void> {
      client_certificates = chain.size();
      return {};
    };
    context = *TlsServerContext::make(options);
    group.spawn(accept());
  }
  ~Kubelet() {
    group.close(StopReason::kShutdown);
    run_until_done(loop, group.join());
  }
  KubeletConfig config() {
    KubeletConfig config;
    (secure_ ? config.secure_port : config.read_only_port) = acceptor.local_endpoint().port();
    config.ca_path = files.write("ca.crt", to_pem(authority.certificate));
    config.token_path = files.write("token", " first \n");
    return config;
  }
  KubeletClient& client(KubeletConfig config) { return client_.emplace(loop, std::move(config), log); }
  Result<SharedIndex> fetch() { return run_until_done(loop, client_->fetch({})); }
  Result<SharedIndex> fetch(std::string wanted_answer) {
    answer = std::move(wanted_answer);
    client(config());
    return fetch();
  }
  std::string error_of(std::string wanted_answer) {
    auto index = fetch(std::move(wanted_answer));
    REQUIRE_FALSE(index);
    return index.error().message();
  }

  Loop loop;
  Files files;
  WallTime now = std::chrono::system_clock::now();
  Authority authority = new_authority(now);
  PrivateKey key = new_key();
  std::optional<Leaf> leaf;
  std::shared_ptr<TlsServerContext> context;
  std::string answer = answer_of("200 OK", kList);
  bool hang_up = false;
  std::vector<std::string> requests;
  std::size_t client_certificates = 0;
  int connections = 0;
  std::string lines;
  Logger log{make_string_sink(&lines), LogLevel::kDebug, LogFormat::kDefault};

 private:
  Task<void> accept() {
    while (!group.token().stop_requested()) {
      tcp::socket socket(loop.io());
      auto [error] = co_await async_op<boost::system::error_code>(
          [&](auto handler) { acceptor.async_accept(socket, std::move(handler)); }, group.token());
      if (error) co_return;
      ++connections;
      group.spawn(secure_ ? serve_tls(std::move(socket)) : serve_plain(std::move(socket)));
    }
  }
  Task<void> serve_plain(tcp::socket socket) {
    while (true) {
      std::string request;
      auto [error, size] = co_await async_op<boost::system::error_code, std::size_t>(
          [&](auto handler) {
            boost::asio::async_read_until(socket, boost::asio::dynamic_buffer(request), "\r\n\r\n", std::move(handler));
          },
          group.token());
      if (error || size == 0) co_return;
      requests.push_back(std::move(request));
      auto [failure, sent] = co_await async_op<boost::system::error_code, std::size_t>(
          [&](auto handler) { boost::asio::async_write(socket, boost::asio::buffer(answer), std::move(handler)); },
          group.token());
      if (failure || sent == 0 || hang_up) co_return;
    }
  }
  Task<void> serve_tls(tcp::socket socket) {
    auto transport = co_await TlsAcceptor(loop, context).accept(std::move(socket), group.token());
    if (!transport) co_return;
    std::optional<StopCallback> on_stop;
    on_stop.emplace(group.token(), [&](StopReason reason) { (*transport)->cancel(reason); });
    for (bool more = true; more;) more = co_await answer_one(**transport);
    on_stop.reset();
    co_await (*transport)->close();
  }
  Task<bool> answer_one(Transport& transport) {
    std::string request;
    while (!request.ends_with("\r\n\r\n")) {
      auto bytes = co_await transport.receive();
      if (!bytes || bytes->end_of_stream()) co_return false;
      request += as_text(bytes->view());
    }
    requests.push_back(std::move(request));
    Result<void> sent = co_await transport.send(as_bytes(answer));
    co_return sent.has_value();
  }

  bool secure_;
  tcp::acceptor acceptor{loop.io(), tcp::endpoint(boost::asio::ip::address_v4::loopback(), 0)};
  TaskGroup group{loop};
  std::optional<KubeletClient> client_;
};

bool contains(const std::string& text, std::string_view part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("The read-only port: plain GET /pods of the loopback address, no credentials, one connection") {
  Kubelet kubelet(false);
  REQUIRE(kubelet.fetch(answer_of("200 OK", kList)));
  auto index = kubelet.fetch();
  REQUIRE(index);
  CHECK((*index)->containers() == 1);
  REQUIRE(kubelet.requests.size() == 2);
  CHECK(kubelet.requests[0].starts_with("GET /pods HTTP/1.1\r\nHost: 127.0.0.1:"));
  CHECK_FALSE(contains(kubelet.requests[0], "Authorization"));
  CHECK(kubelet.connections == 1);
}

TEST_CASE("Refusals, redirects and broken answers are errors with SPIRE's texts") {
  Kubelet kubelet(false);
  CHECK(kubelet.error_of(answer_of("401 Unauthorized", "Unauthorized")) ==
        "unexpected status code on pods response: 401 Unauthorized");
  CHECK(kubelet.error_of(answer_of("403 Forbidden", "Forbidden (user=x)\n")) ==
        "unexpected status code on pods response: 403 Forbidden (user=x)\n");
  CHECK(kubelet.error_of(answer_of("500 Internal Server Error", std::string(5000, 'x'))) ==
        "unexpected status code on pods response: 500 " + std::string(kRefusalTextMax, 'x'));
  CHECK(kubelet.error_of("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n") ==
        "unexpected status code on pods response: 302 ");
  CHECK(contains(kubelet.error_of(answer_of("200 OK", "<html>")), "unable to parse kubelet response: "));
  CHECK(kubelet.error_of(answer_of("200 OK", "[]")) == "invalid kubelet response: expected an object");
  CHECK(contains(kubelet.error_of(answer_of("200 OK", kList.substr(0, 50))), "unable to parse kubelet response: "));
  CHECK(contains(kubelet.error_of("nonsense\r\n\r\n"), "unable to perform request: "));
  kubelet.hang_up = true;
  CHECK(kubelet.error_of("HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + kList) ==
        "unable to read pods response: unexpected EOF");
  auto after = kubelet.fetch(answer_of("200 OK", kList));
  CHECK(after);
}

TEST_CASE("A packed answer is asked for and unpacked") {
  Kubelet kubelet(false);
  // gzip of {"items":[]}
  const unsigned char packed[] = {0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab,
                                  0x56, 0xca, 0x2c, 0x49, 0xcd, 0x2d, 0x56, 0xb2, 0x8a, 0x8e, 0xad,
                                  0x05, 0x00, 0x1d, 0x1f, 0x43, 0xea, 0x0c, 0x00, 0x00, 0x00};
  const std::string body(std::begin(packed), std::end(packed));
  auto index =
      kubelet.fetch("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: " + std::to_string(body.size()) +
                    "\r\n\r\n" + body);
  REQUIRE(index);
  CHECK((*index)->pods() == 0);
  CHECK(contains(kubelet.requests.back(), "\r\nAccept-Encoding: gzip\r\n"));
}

TEST_CASE("A body of 200 MB is given up at the limit") {
  Kubelet kubelet(false);
  kubelet.hang_up = true;
  const std::string start = R"({"items":[{"metadata":{"name":")";
  std::string answer = "HTTP/1.1 200 OK\r\nContent-Length: 200000000\r\n\r\n" + start;
  answer.append(kPodListBytesMax + 4096, 'x');
  CHECK(contains(kubelet.error_of(std::move(answer)), "unable to read pods response: "));
}

TEST_CASE("A kubelet that is away, and one that hangs and is stopped") {
  Kubelet kubelet(false);
  KubeletConfig config = kubelet.config();
  config.read_only_port = 1;
  kubelet.client(config);
  auto away = kubelet.fetch();
  REQUIRE_FALSE(away);
  CHECK(
      away.error().message() ==
      "unable to perform request: Get \"http://127.0.0.1:1/pods\": dial tcp 127.0.0.1:1: connect: connection refused");
  kubelet.answer = "HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n";
  KubeletClient& client = kubelet.client(kubelet.config());
  StopSource stop;
  Timeout timeout(kubelet.loop, Deadline::in(std::chrono::milliseconds(50)), stop.token());
  auto stopped = run_until_done(kubelet.loop, client.fetch(timeout.token()));
  REQUIRE_FALSE(stopped);
}

TEST_CASE("The secure port: trimmed token, read again as it rotates; the connection is kept") {
  Kubelet kubelet(true);
  KubeletConfig config = kubelet.config();
  config.reload_interval = std::chrono::nanoseconds(1);
  KubeletClient& client = kubelet.client(config);
  REQUIRE(client.load());
  REQUIRE(kubelet.fetch());
  CHECK(contains(kubelet.requests.back(), "\r\nAuthorization: Bearer first\r\n"));
  kubelet.files.write("token", "second");
  REQUIRE(kubelet.fetch());
  CHECK(contains(kubelet.requests.back(), "\r\nAuthorization: Bearer second\r\n"));
  CHECK(kubelet.connections == 1);
  unlink(config.token_path.c_str());
  auto missing = kubelet.fetch();
  REQUIRE_FALSE(missing);
  CHECK(missing.error().message() == "unable to load token: open " + config.token_path + ": no such file or directory");
  kubelet.files.write("token", "third\r\nX-Other: 1");
  auto forged = kubelet.fetch();
  REQUIRE_FALSE(forged);
  CHECK(forged.error().message().ends_with("net/http: invalid header field value for \"Authorization\""));
  kubelet.files.write("token", "third");
  CHECK(kubelet.fetch());
  CHECK_FALSE(contains(kubelet.lines, "third"));
}

TEST_CASE("Server verification: chain without a node name, names with one, nothing when skipped") {
  Kubelet stranger(true, {"elsewhere.test"});
  stranger.client(stranger.config());
  CHECK(stranger.fetch());  // the chain is good, the name is not asked
  KubeletConfig config = stranger.config();
  config.node_name = "localhost";
  stranger.client(config);
  auto refused = stranger.fetch();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kTls);
  Kubelet nameless(true, {});  // its common name alone is no name
  config = nameless.config();
  config.node_name = "localhost";
  nameless.client(config);
  CHECK_FALSE(nameless.fetch());
  Kubelet named(true);
  config = named.config();
  config.node_name = "localhost";
  named.client(config);
  CHECK(named.fetch());
  config = named.config();
  config.ca_path = named.files.write("other.crt", to_pem(new_authority(named.now).certificate));
  named.client(config);
  refused = named.fetch();
  REQUIRE_FALSE(refused);
  CHECK(contains(refused.error().message(), "unable to perform request: "));
  config.skip_verification = true;
  config.ca_path = "/nonexistent";
  named.client(config);
  CHECK(named.fetch());
}

TEST_CASE("A client certificate goes before the token; anonymous before both") {
  Kubelet kubelet(true);
  KubeletConfig config = kubelet.config();
  Leaf leaf = new_leaf(kubelet.authority, "spiffe://example.org/agent", kubelet.now);
  config.certificate_path = kubelet.files.write("client.crt", to_pem(leaf.certificate));
  config.private_key_path = kubelet.files.write("client.key", leaf.key.to_pem());
  kubelet.client(config);
  REQUIRE(kubelet.fetch());
  CHECK(kubelet.client_certificates >= 1);  // an authority that is known goes along
  CHECK_FALSE(contains(kubelet.requests.back(), "Authorization"));
  config.anonymous = true;
  config.token_path = "/nonexistent";
  kubelet.client(config);
  REQUIRE(kubelet.fetch());
  CHECK(kubelet.client_certificates == 0);
  CHECK_FALSE(contains(kubelet.requests.back(), "Authorization"));
}

TEST_CASE("Credentials that cannot be used are named") {
  Kubelet kubelet(true);
  const auto load_error = [&](KubeletConfig config) {
    auto loaded = kubelet.client(std::move(config)).load();
    REQUIRE_FALSE(loaded);
    return loaded.error().message();
  };
  KubeletConfig config = kubelet.config();
  config.ca_path = "/nonexistent";
  CHECK(load_error(config) == "unable to load kubelet CA: open /nonexistent: no such file or directory");
  config.ca_path = kubelet.files.write("empty", "");
  CHECK(load_error(config) == "unable to parse kubelet CA: no PEM blocks");
  config.ca_path = kubelet.files.write("key", new_key().to_pem());
  CHECK(load_error(config) == "unable to parse kubelet CA: expected block type \"CERTIFICATE\"; got \"PRIVATE KEY\"");
  config = kubelet.config();
  config.certificate_path = "x";
  CHECK(load_error(config) == "the private key path is required with the certificate path");
  config.certificate_path = "";
  config.private_key_path = "x";
  CHECK(load_error(config) == "the certificate path is required with the private key path");
  Leaf leaf = new_leaf(kubelet.authority, "", kubelet.now);
  config.certificate_path = kubelet.files.write("client.crt", to_pem(leaf.certificate));
  config.private_key_path = kubelet.files.write("client.key", new_key().to_pem());
  CHECK(load_error(config) == "unable to load keypair: tls: private key does not match public key");
  config.private_key_path = kubelet.files.write("empty", "");
  CHECK(load_error(config) == "unable to load keypair: tls: failed to find any PEM data in key input");
  config.private_key_path = config.certificate_path;
  CHECK(load_error(config) ==
        "unable to load keypair: tls: found a certificate rather than a key in the PEM for the private key");
  config.private_key_path = "/nonexistent";
  CHECK(load_error(config) == "unable to load private key: open /nonexistent: no such file or directory");
  config.certificate_path = "/nonexistent";
  CHECK(load_error(config) == "unable to load certificate: open /nonexistent: no such file or directory");
  config = kubelet.config();
  config.token_path = "/nonexistent";
  CHECK(load_error(config) == "unable to load token: open /nonexistent: no such file or directory");
  config.token_path = kubelet.files.folder;
  CHECK(contains(load_error(config), "unable to load token: "));
  config.token_path = kubelet.files.write("large", std::string(kCredentialBytesMax + 1, 'x'));
  CHECK(contains(load_error(config), "unable to load token: "));
}

TEST_CASE("Where the kubelet is") {
  Loop loop;
  KubeletConfig config;
  const auto url = [&] { return KubeletClient(loop, config, Logger()).url(); };
  CHECK(url() == "https://127.0.0.1:10250/pods");
  config.node_name = "node-1";
  config.secure_port = 1;
  CHECK(url() == "https://node-1:1/pods");
  config.node_name = "fd00::1";
  CHECK(url() == "https://[fd00::1]:1/pods");
  config.read_only_port = 10255;
  CHECK(url() == "http://127.0.0.1:10255/pods");
}
