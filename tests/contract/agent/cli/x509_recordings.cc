// What `api fetch x509` and `api watch` print and write, against the recorded output of the same callers. The responses
// are made here with the names, hints and federations of the recorded world.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/json.hpp>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "agent/cli/client_flags.h"
#include "agent/cli/x509_response.h"
#include "recordings.h"
#include "spiffe/workload/workload.pb.h"

using namespace steeple;
using namespace steeple::agent::cli;
using namespace steeple::tests;
using namespace std::chrono_literals;

namespace {

const auto kNow = std::chrono::system_clock::now();

struct Authority {
  runtime::PrivateKey key;
  runtime::Certificate certificate;
};

Authority make_authority(const std::string& trust_domain) {
  runtime::PrivateKey key = *runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
  runtime::CertificateTemplate wanted;
  wanted.serial = runtime::random_serial();
  wanted.not_before = kNow - 1h;
  wanted.not_after = kNow + 24h;
  wanted.subject = {{runtime::NameAttribute::Type::kOrganization, "SPIFFE"}};
  wanted.uri_sans = {"spiffe://" + trust_domain};
  wanted.is_ca = true;
  wanted.key_usage = runtime::kKeyCertSign | runtime::kCrlSign;
  wanted.public_key = key.public_key();
  runtime::Certificate certificate = *runtime::sign_certificate(wanted, key, nullptr);
  return {std::move(key), std::move(certificate)};
}

std::string text_of(runtime::BytesView bytes) { return runtime::to_text(bytes); }

const Authority& home() {
  static const Authority kAuthority = make_authority("example.org");
  return kAuthority;
}

void add_svid(::X509SVIDResponse& response, const std::string& path, const std::string& hint = "",
              const Authority& issuer = home()) {
  const runtime::PrivateKey key = *runtime::PrivateKey::generate(runtime::KeyType::kEcP256);
  runtime::CertificateTemplate wanted;
  wanted.serial = runtime::random_serial();
  wanted.not_before = kNow - 10s;
  wanted.not_after = kNow + 1h;
  wanted.subject = {{runtime::NameAttribute::Type::kOrganization, "SPIRE"}};
  wanted.uri_sans = {"spiffe://example.org" + path};
  wanted.key_usage = runtime::kDigitalSignature;
  wanted.server_and_client_auth = true;
  wanted.public_key = key.public_key();
  const runtime::Certificate leaf = *runtime::sign_certificate(wanted, issuer.key, &issuer.certificate);
  ::X509SVID& svid = *response.add_svids();
  svid.set_spiffe_id("spiffe://example.org" + path);
  svid.set_x509_svid(text_of(leaf.der()));
  svid.set_x509_svid_key(text_of(key.to_pkcs8().view()));
  svid.set_bundle(text_of(home().certificate.der()));
  svid.set_hint(hint);
}

void federate(::X509SVIDResponse& response, const std::string& trust_domain) {
  (*response.mutable_federated_bundles())["spiffe://" + trust_domain] =
      text_of(make_authority(trust_domain).certificate.der());
}

runtime::Bytes bytes_of(const ::X509SVIDResponse& response) {
  return runtime::to_bytes(runtime::as_bytes(response.SerializeAsString()));
}

// The response that a recorded caller got.
runtime::Bytes response_for(const std::string& recorded_out) {
  ::X509SVIDResponse response;
  const auto has = [&](std::string_view text) { return recorded_out.find(text) != std::string::npos; };
  if (has("/workload/one")) add_svid(response, "/workload/one");
  if (has("/workload/two-a")) {
    add_svid(response, "/workload/two-a", "internal");
    add_svid(response, "/workload/two-b", "external");
    federate(response, "partner.test");
  }
  if (has("/workload/dup-a")) add_svid(response, "/workload/dup-a", "same");
  if (has("/workload/same")) {
    add_svid(response, "/workload/same", "h1");
    add_svid(response, "/workload/same", "h2");
  }
  if (has("/workload/down")) {
    add_svid(response, "/workload/down");
    add_svid(response, "/workload/admin");
    add_svid(response, "/workload/plain6");
  }
  if (has("/workload/fed")) {
    add_svid(response, "/workload/fed");
    federate(response, "partner.test");
    federate(response, "third.test");
  }
  return bytes_of(response);
}

// SPIRE prints federated bundles in random order; ours are sorted.
std::string sorted_federation(std::string recorded) {
  recorded = replace_all(recorded, "[spiffe://third.test]", "[spiffe://SWAP]");
  recorded = replace_all(recorded, "[spiffe://partner.test]", "[spiffe://third.test]");
  return replace_all(recorded, "[spiffe://SWAP]", "[spiffe://partner.test]");
}

}  // namespace

TEST_CASE("A response is printed as recorded") {
  std::size_t compared = 0;
  for (const Recording& recording : load_recordings("fetch-x509.jsonl", {})) {
    if (!recording.state.empty() || recording.exit != 0) continue;
    INFO(recording.id);
    const runtime::Bytes message = response_for(recording.out);
    std::string printed;
    if (recording.id.starts_with("json")) {
      printed = *json_x509_response(message);
    } else {
      const auto response = parse_x509_response(message, ResponseUse::kFetched);
      REQUIRE(response);
      CHECK(verify_x509_response(*response, kNow));
      printed = pretty_x509_response(*response, 8254617ns, ResponseUse::kFetched);
    }
    const std::string expected = recording.id == "federated-two" ? sorted_federation(recording.out) : recording.out;
    INFO(printed);
    CHECK(matches(printed, expected));
    ++compared;
  }
  CHECK(compared == 9);
}

TEST_CASE("A watched update is printed as recorded") {
  for (const Recording& recording : load_recordings("watch.jsonl", {})) {
    INFO(recording.id);
    const auto response = parse_x509_response(response_for(recording.out), ResponseUse::kWatched);
    REQUIRE(response);
    CHECK(matches(pretty_x509_response(*response, 1500ns, ResponseUse::kWatched), recording.out));
  }
}

TEST_CASE("Files are written as recorded") {
  char name[] = "/tmp/steeple-write-XXXXXX";
  REQUIRE(mkdtemp(name) != nullptr);
  const std::string root = name;
  std::ofstream(root + "/file") << "x";
  const std::filesystem::path before = std::filesystem::current_path();
  std::filesystem::current_path(root);
  std::ifstream in(std::string(STEEPLE_TEST_DATA) + "/cli/fetch-x509-write.jsonl");
  std::size_t compared = 0;
  for (std::string line; std::getline(in, line); ++compared) {
    const boost::json::value parsed = boost::json::parse(line);
    const boost::json::object& one = parsed.as_object();
    const std::string id(one.at("id").as_string());
    INFO(id);
    const bool relative = id == "relative-dir";
    const std::string directory = relative ? root + "/rel" : root + "/" + id;
    std::filesystem::create_directory(directory);
    if (id == "existing-files-0666") {
      for (const char* file : {"svid.0.pem", "svid.0.key", "bundle.0.pem"}) {
        const std::string path = directory + "/" + file;
        std::ofstream(path) << std::string(20000, 'x');
        REQUIRE(chmod(path.c_str(), 0666) == 0);
      }
    }
    const std::string target = relative                ? "./rel/"
                               : id == "missing-dir"   ? "/nodir"
                               : id == "write-is-file" ? root + "/file"
                                                       : directory;
    const std::string recorded_out(one.at("stdout").as_string());
    const auto response = parse_x509_response(response_for(recorded_out), ResponseUse::kFetched);
    REQUIRE(response);
    const mode_t old_mask = umask(id == "umask-077" ? 077 : id == "umask-000" ? 0 : 022);
    StringOutput output;
    const auto written = write_x509_files(*response, target, output);
    umask(old_mask);
    std::string expected = recorded_out.substr(recorded_out.find("Writing"));
    expected = replace_all(replace_all(expected, "<OUTDIR>", directory), "<TMP>", root);
    CHECK(output.out_text == expected);
    const std::string error = replace_all(std::string(one.at("stderr").as_string()), "<TMP>", root);
    CHECK((written ? "" : written.error().message() + "\n") == error);
    if (!one.contains("files")) continue;
    for (const boost::json::value& listed : one.at("files").as_array()) {
      const boost::json::object& file = listed.as_object();
      const std::string path = directory + "/" + std::string(file.at("name").as_string());
      struct stat status{};
      REQUIRE(stat(path.c_str(), &status) == 0);
      CHECK((status.st_mode & 0777u) == std::stoul(std::string(file.at("mode").as_string()).substr(2), nullptr, 8));
      std::stringstream content;
      content << std::ifstream(path).rdbuf();
      const bool is_key = file.at("content").as_string() == "<PEM PRIVATE KEY>";
      const std::string kind = is_key ? "PRIVATE KEY" : "CERTIFICATE";
      CHECK(content.str().starts_with("-----BEGIN " + kind + "-----\n"));
      CHECK(content.str().ends_with("-----END " + kind + "-----\n"));
      if (is_key) CHECK(runtime::PrivateKey::from_pem(content.str()));
    }
  }
  CHECK(compared == 9);
  std::filesystem::current_path(before);
  std::filesystem::remove_all(root);
}

TEST_CASE("A response that is not in order is refused with the reason") {
  const auto error_of = [](const ::X509SVIDResponse& response) {
    const auto parsed = parse_x509_response(bytes_of(response), ResponseUse::kFetched);
    return parsed ? std::string() : parsed.error().message();
  };
  ::X509SVIDResponse response;
  CHECK(error_of(response) == "workload response contains no svids");
  add_svid(response, "/a");
  (*response.mutable_federated_bundles())["spiffe://jwt.test"] = "";
  CHECK(error_of(response) == "no certificates in bundle for federated domain \"spiffe://jwt.test\"");
  CHECK(parse_x509_response(bytes_of(response), ResponseUse::kWatched));
  response.clear_federated_bundles();
  response.mutable_svids(0)->clear_bundle();
  CHECK(error_of(response) ==
        "failed to parse svid entry 0 for spiffe id \"spiffe://example.org/a\": no certificates in trust bundle");
  response.mutable_svids(0)->clear_x509_svid();
  CHECK(error_of(response) ==
        "failed to parse svid entry 0 for spiffe id \"spiffe://example.org/a\": no certificates found");
  const runtime::Bytes garbage = {0xFF, 0xFF, 0xFF};
  CHECK_FALSE(parse_x509_response(garbage, ResponseUse::kFetched));
  CHECK_FALSE(json_x509_response(garbage));
}

TEST_CASE("An SVID of a foreign authority fails verification") {
  ::X509SVIDResponse response;
  const Authority foreign = make_authority("example.org");
  add_svid(response, "/a", "", foreign);
  const auto parsed = parse_x509_response(bytes_of(response), ResponseUse::kFetched);
  REQUIRE(parsed);
  const auto verified = verify_x509_response(*parsed, kNow);
  REQUIRE_FALSE(verified);
  CHECK(
      verified.error().message().starts_with("\"spiffe://example.org/a\" SVID failed verification against bundle: "
                                             "x509svid: could not verify leaf certificate: x509: "));
}

TEST_CASE("Of SVIDs with the same hint a watcher takes the first") {
  ::X509SVIDResponse response;
  add_svid(response, "/a", "h");
  add_svid(response, "/b", "h");
  CHECK(parse_x509_response(bytes_of(response), ResponseUse::kFetched)->entries.size() == 2);
  CHECK(parse_x509_response(bytes_of(response), ResponseUse::kWatched)->entries.size() == 1);
}
