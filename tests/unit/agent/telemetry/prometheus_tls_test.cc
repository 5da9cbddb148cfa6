#include "agent/telemetry/prometheus_tls.h"

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <fstream>

using namespace steeple::agent;
using namespace steeple::runtime;
using std::chrono_literals::operator""h;

namespace {

struct Signed {
  PrivateKey key = PrivateKey::generate(KeyType::kEcP256).value();
  std::optional<Certificate> certificate;
};

// Files of a certificate with its key, and clients of an authority.
class World {
 public:
  World() {
    char path[] = "/tmp/steeple-metrics-tls-XXXXXX";
    folder = ::mkdtemp(path);
    root.certificate = sign(root.key, "spiffe://example.org", true, root.key, nullptr);
    write("cert.pem", to_pem(*root.certificate));
    write("key.pem", root.key.to_pem());
    settings.cert_file = file("cert.pem");
    settings.key_file = file("key.pem");
    sources.svid = [] { return std::nullopt; };
    sources.now = [this] { return now; };
    sources.authorities = [this](const TrustDomain& trust_domain) {
      return trust_domain.name() == "example.org" ? Certificates{*root.certificate} : Certificates();
    };
  }
  ~World() { std::filesystem::remove_all(folder); }

  std::string file(const std::string& name) const { return folder + "/" + name; }
  void write(const std::string& name, const std::string& text) const { std::ofstream(file(name)) << text; }
  Certificate sign(const PrivateKey& subject, const std::string& id, bool is_ca, const PrivateKey& issuer,
                   const Certificate* authority, bool both_uses = false) const {
    CertificateTemplate wanted;
    wanted.serial = random_serial();
    wanted.not_before = now - 1h;
    wanted.not_after = now + 1h;
    wanted.subject = {{NameAttribute::Type::kCommonName, id}};
    wanted.uri_sans = {id};
    wanted.is_ca = is_ca;
    wanted.key_usage = is_ca ? kKeyCertSign : kDigitalSignature;
    wanted.server_and_client_auth = both_uses;
    wanted.public_key = subject.public_key();
    return sign_certificate(wanted, issuer, authority).value();
  }
  std::vector<Bytes> client(const std::string& id, bool both_uses = true) const {
    const PrivateKey key = PrivateKey::generate(KeyType::kEcP256).value();
    return {to_bytes(sign(key, id, false, root.key, &*root.certificate, both_uses).der())};
  }
  std::string refusal() const {
    auto made = make_prometheus_tls(settings, sources);
    return made ? "" : made.error().message();
  }
  std::string verdict(const std::vector<Bytes>& chain) const {
    auto made = make_prometheus_tls(settings, sources);
    REQUIRE(made);
    CHECK((*made)->options().require_client_certificate);
    auto verified = (*made)->options().verifier(chain);
    return verified ? "" : verified.error().message();
  }

  std::string folder;
  WallTime now = std::chrono::system_clock::now();
  Signed root;
  PrometheusTlsSettings settings;
  PrometheusTlsSources sources;
};

const std::string kPrefix = "failed to create TLS config for Prometheus: ";

}  // namespace

TEST_CASE("Settings that contradict each other are refused in upstream's words") {
  World world;
  world.settings.use_spire_svid = true;
  CHECK(world.refusal() == kPrefix + "cert_file and key_file cannot be configured when use_spire_svid is enabled");
  world.settings.use_spire_svid = false;
  world.settings.key_file.clear();
  CHECK(world.refusal() == kPrefix + "cert_file and key_file must both be configured unless use_spire_svid is enabled");
  world.settings.key_file = world.file("key.pem");
  world.settings.client_ca_file = world.file("cert.pem");
  world.settings.authorized_spiffe_ids = {"spiffe://example.org/scraper"};
  CHECK(world.refusal() == kPrefix + "client_ca_file cannot be configured with authorized_spiffe_ids");
  world.settings.client_ca_file.clear();
  world.settings.authorized_spiffe_ids = {"scraper"};
  CHECK(world.refusal() == kPrefix + "invalid authorized SPIFFE ID \"scraper\": scheme is missing or invalid");
}

TEST_CASE("Files that hold no pair are refused") {
  World world;
  CHECK(world.refusal().empty());
  world.settings.cert_file = world.file("missing.pem");
  CHECK(world.refusal() == kPrefix + "open " + world.file("missing.pem") + ": no such file or directory");
  world.settings.cert_file = world.file("key.pem");
  CHECK(world.refusal() == kPrefix + "tls: failed to find any PEM data in certificate input");
  world.settings.cert_file = world.file("cert.pem");
  world.settings.key_file = world.file("cert.pem");
  CHECK(world.refusal() == kPrefix + "tls: failed to find any PEM data in key input");
  world.settings.key_file = world.file("other.pem");
  world.write("other.pem", PrivateKey::generate(KeyType::kEcP256)->to_pem());
  CHECK(world.refusal() == kPrefix + "tls: private key does not match public key");
  world.write("both.pem", to_pem(*world.root.certificate) + world.root.key.to_pem());
  world.settings.cert_file = world.settings.key_file = world.file("both.pem");
  CHECK(world.refusal().empty());
}

TEST_CASE("Without a rule for clients none is asked for a certificate, and the pair is shown") {
  World world;
  auto made = make_prometheus_tls(world.settings, world.sources);
  REQUIRE(made);
  CHECK_FALSE((*made)->options().ask_client_certificate);
  CHECK((*made)->options().verifier({}));
  CHECK((*made)->options().identity()->chain == std::vector<Bytes>{to_bytes(world.root.certificate->der())});
}

TEST_CASE("With a CA file a client must have a certificate of it, for clients") {
  World world;
  world.settings.client_ca_file = world.file("cert.pem");
  CHECK(world.verdict(world.client("spiffe://example.org/any")).empty());
  CHECK(world.verdict({}) == "tls: client didn't provide a certificate");
  World other;
  CHECK(world.verdict(other.client("spiffe://example.org/any")).find("signed by unknown authority") !=
        std::string::npos);
  world.settings.client_ca_file = world.file("key.pem");
  CHECK_FALSE(world.refusal().empty());
}

TEST_CASE("With SPIFFE IDs a client must have an SVID of one of them, of a trust domain whose bundle is known") {
  World world;
  world.settings.cert_file.clear();
  world.settings.key_file.clear();
  world.settings.use_spire_svid = true;
  world.settings.authorized_spiffe_ids = {"spiffe://example.org/scraper", "spiffe://partner.test/scraper"};
  CHECK(world.verdict(world.client("spiffe://example.org/scraper")).empty());
  CHECK(world.verdict(world.client("spiffe://example.org/other")) == "unexpected ID \"spiffe://example.org/other\"");
  CHECK(world.verdict(world.client("spiffe://partner.test/scraper")).find("no bundle found for trust domain") !=
        std::string::npos);
  CHECK(world.verdict({}) == "tls: client didn't provide a certificate");
}
