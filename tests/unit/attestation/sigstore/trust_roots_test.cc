// Trust roots from the files that the environment names.
#include "attestation/sigstore/trust_roots.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>

#include "runtime/task/blocking.h"
#include "runtime/tls/encoding.h"
#include "tests/fakes/temporary_folder.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using namespace steeple::testing;
using std::chrono_literals::operator""s;

namespace {

Certificate new_intermediate(const Authority& root, WallTime now) {
  CertificateTemplate wanted = authority_template(new_key(), now);
  wanted.subject = {{NameAttribute::Type::kCommonName, "sigstore-intermediate"}};
  return sign(wanted, root.key, &root.certificate);
}

struct World {
  World() {
    write("roots.pem", to_pem(root.certificate) + to_pem(intermediate));
    write("rekor.pem", key_pem(rekor));
    write("ctlog.pem", key_pem(ctlog));
    environment = {{"SIGSTORE_ROOT_FILE", folder.path("roots.pem")},
                   {"SIGSTORE_REKOR_PUBLIC_KEY", folder.path("rekor.pem")},
                   {"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", folder.path("ctlog.pem")}};
  }
  static std::string key_pem(const PrivateKey& key) { return to_pem("PUBLIC KEY", key.public_key()); }
  void write(const std::string& name, const std::string& content) { std::ofstream(folder.path(name)) << content; }
  Result<TrustMaterial> load(const SigstoreConfig& config = {}) {
    const auto lookup = [this](const std::string& name) -> std::optional<std::string> {
      const auto at = environment.find(name);
      return at == environment.end() ? std::nullopt : std::optional(at->second);
    };
    return run_until_done(loop, load_trust_material(config, lookup, http, Deadline::in(20s), {}, Logger()));
  }
  std::string refusal(const SigstoreConfig& config = {}) {
    auto loaded = load(config);
    REQUIRE_FALSE(loaded);
    return loaded.error().message();
  }

  TemporaryFolder folder;
  WallTime now = std::chrono::system_clock::now();
  Authority root = new_authority(now);
  Certificate intermediate = new_intermediate(root, now);
  PrivateKey rekor = new_key();
  PrivateKey ctlog = new_key();
  std::map<std::string, std::string> environment;
  Loop loop;
  WorkerPool workers{loop, 1, 8};
  HttpClient http{loop, workers};
};

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

}  // namespace

TEST_CASE("trust roots: self-issued certificates are roots, the others intermediates; keys go by their hash") {
  World world;
  const auto material = world.load();
  REQUIRE(material);
  CHECK(material->fulcio_roots == std::vector<Bytes>{to_bytes(world.root.certificate.der())});
  CHECK(material->fulcio_intermediates == std::vector<Bytes>{to_bytes(world.intermediate.der())});
  REQUIRE(material->rekor_keys.size() == 1);
  CHECK(material->rekor_keys[0].spki == world.rekor.public_key());
  CHECK(material->rekor_keys[0].id == to_hex(sha256(world.rekor.public_key())));
  CHECK(material->rekor_keys[0].active);
  REQUIRE(material->ct_log_keys.size() == 1);
  CHECK(material->ct_log_keys[0].spki == world.ctlog.public_key());
}

TEST_CASE("trust roots: what is ignored is not read") {
  World world;
  world.environment["SIGSTORE_REKOR_PUBLIC_KEY"] = "/nowhere";
  world.environment["SIGSTORE_CT_LOG_PUBLIC_KEY_FILE"] = "/nowhere";
  SigstoreConfig config;
  config.ignore_tlog = true;
  config.ignore_sct = true;
  const auto material = world.load(config);
  REQUIRE(material);
  CHECK(material->rekor_keys.empty());
  CHECK(material->ct_log_keys.empty());
}

TEST_CASE("trust roots: a file that cannot be read or holds something else is refused in upstream's words") {
  World world;
  const std::string rekor = "failed to get rekor public keys: ";
  world.environment["SIGSTORE_REKOR_PUBLIC_KEY"] = "/nowhere";
  CHECK(world.refusal() == rekor +
                               "error reading alternate Rekor public key file: open /nowhere: no such file or "
                               "directory");
  world.environment["SIGSTORE_REKOR_PUBLIC_KEY"] = world.folder.path("rekor.pem");
  world.write("rekor.pem", "no PEM");
  CHECK(world.refusal() == rekor + "AddRekorPubKey: PEM decoding failed");
  world.write("rekor.pem", to_pem(world.root.certificate));
  CHECK(world.refusal() == rekor +
                               "AddRekorPubKey: unknown Public key PEM file type: CERTIFICATE. Are you passing the "
                               "correct public key?");
  world.write("rekor.pem", to_pem("PUBLIC KEY", as_bytes("garbage")));
  CHECK(contains(world.refusal(), rekor + "AddRekorPubKey: x509: "));
  world.write("rekor.pem", std::string(kLogKeyFileBytesMax + 1, 'x'));
  CHECK(contains(world.refusal(), rekor + "error reading alternate Rekor public key file: "));
  SigstoreConfig config;
  config.ignore_tlog = true;
  world.write("ctlog.pem", "");
  CHECK(world.refusal(config) == "failed to get CT log public keys: AddCTLogPubKey: PEM decoding failed");
}

TEST_CASE("trust roots: Fulcio's certificates") {
  World world;
  const std::string fulcio = "failed to get fulcio root certificates: ";
  world.write("roots.pem", "no PEM");
  CHECK(world.refusal() == fulcio + "error unmarshalling certificates: error during PEM decoding");
  world.write("roots.pem", World::key_pem(world.rekor));
  CHECK(contains(world.refusal(), fulcio + "error unmarshalling certificates: "));
  for (const std::string& content : {std::string(), to_pem(world.intermediate)}) {
    world.write("roots.pem", content);
    CHECK(world.refusal() == fulcio + "none of the Fulcio roots have been found");
  }
  world.environment["SIGSTORE_ROOT_FILE"] = "/nowhere";
  CHECK(world.refusal() == fulcio + "error reading root PEM file: open /nowhere: no such file or directory");
}

TEST_CASE("trust roots: an RSA key in its older form has the id of its SubjectPublicKeyInfo") {
  const PrivateKey key = *PrivateKey::generate(KeyType::kRsa2048);
  const Bytes& spki = key.public_key();
  const BytesView pkcs1 = BytesView(spki).subspan(24);  // after the algorithm and the bit string's head
  const auto parsed = parse_log_key(to_pem("RSA PUBLIC KEY", pkcs1), false);
  REQUIRE(parsed);
  CHECK(parsed->spki == spki);
  CHECK_FALSE(parsed->active);
}
