// An update repository for tests: one P-256 key signs everything, versions and expiry are set by the test, files are
// served by name. Consistent snapshots. Header only.
#pragma once

#include <fmt/format.h>

#include <map>
#include <string>

#include "runtime/core/go_text.h"
#include "runtime/tls/encoding.h"
#include "tests/fakes/test_pki.h"

namespace steeple::testing {

struct TufMirror {
  explicit TufMirror(runtime::WallTime now) : expires(now + std::chrono::hours(24)) {}

  // Members in the order of their names, without blanks: canonical but for the escaped line ends of PEM.
  std::string sign(const std::string& body) const {
    std::string canonical = body;
    for (std::size_t at = 0; (at = canonical.find("\\n", at)) != std::string::npos; ++at) {
      canonical.replace(at, 2, "\n");
    }
    const auto signature = key.sign(runtime::SignatureScheme::kEcdsaSha256, runtime::as_bytes(canonical));
    STEEPLE_ASSERT(signature.has_value());
    return fmt::format(R"({{"signatures":[{{"keyid":"k","sig":"{}"}}],"signed":{}}})", runtime::to_hex(*signature),
                       body);
  }
  static std::string digest(const std::string& bytes) {
    return runtime::to_hex(runtime::sha256(runtime::as_bytes(bytes)));
  }
  std::string root() const {
    std::string pem = runtime::to_pem("PUBLIC KEY", key.public_key());
    for (std::size_t at = 0; (at = pem.find('\n', at)) != std::string::npos; ++at) pem.replace(at, 1, "\\n");
    const char* role = R"({"keyids":["k"],"threshold":1})";
    return sign(fmt::format(
        R"({{"_type":"root","consistent_snapshot":true,"expires":"{}","keys":{{"k":{{"keytype":"ecdsa","keyval":)"
        R"({{"public":"{}"}},"scheme":"ecdsa-sha2-nistp256"}}}},"roles":{{"root":{},"snapshot":{},"targets":{},)"
        R"("timestamp":{}}},"spec_version":"1.0","version":{}}})",
        runtime::rfc3339(expires), pem, role, role, role, role, root_version));
  }
  // `custom`: "Rekor/Active"; empty: none.
  void add_target(const std::string& name, const std::string& bytes, const std::string& custom = "") {
    const std::size_t slash = custom.find('/');
    const std::string member = custom.empty()
                                   ? ""
                                   : fmt::format(R"("custom":{{"sigstore":{{"status":"{}","usage":"{}"}}}},)",
                                                 custom.substr(slash + 1), custom.substr(0, slash));
    targets[name] = fmt::format(R"({{{}"hashes":{{"sha256":"{}"}},"length":{}}})", member, digest(bytes), bytes.size());
    files["targets/" + digest(bytes) + "." + name] = bytes;
  }
  void publish() {
    std::string list;
    for (const auto& [name, target] : targets)
      list += fmt::format(R"({}"{}":{})", list.empty() ? "" : ",", name, target);
    const std::string tail = fmt::format(R"("spec_version":"1.0","version":{}}})", version);
    const std::string until = runtime::rfc3339(expires);
    const std::string targets_json =
        sign(fmt::format(R"({{"_type":"targets","expires":"{}","spec_version":"1.0","targets":{{{}}},"version":{}}})",
                         until, list, version));
    const std::string snapshot = sign(fmt::format(
        R"({{"_type":"snapshot","expires":"{}","meta":{{"targets.json":{{"version":{}}}}},{})", until, version, tail));
    files[fmt::format("{}.targets.json", version)] = targets_json;
    files[fmt::format("{}.snapshot.json", version)] = snapshot;
    files["timestamp.json"] = sign(
        fmt::format(R"({{"_type":"timestamp","expires":"{}","meta":{{"snapshot.json":{{"hashes":{{"sha256":"{}"}},)"
                    R"("length":{},"version":{}}}}},{})",
                    until, digest(snapshot), snapshot.size(), version, tail));
  }

  runtime::PrivateKey key = new_key();
  int root_version = 1;
  int version = 1;  // of all the others
  runtime::WallTime expires;
  std::map<std::string, std::string> targets;
  std::map<std::string, std::string> files;  // by their path below the mirror's URL
};

}  // namespace steeple::testing
