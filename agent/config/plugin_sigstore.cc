#include "agent/config/plugin_sigstore.h"

#include "agent/config/go_url.h"

namespace steeple::agent {

using hcl::ObjectReader;
using runtime::Result;
using runtime::SecretBytes;

Result<void> SigstoreKeys::read(ObjectReader& plugin) {
  const auto fill = [this](ObjectReader& block) { return read_block(block); };
  STEEPLE_TRY(found, plugin.read_block("sigstore", fill));
  static_cast<void>(found);
  return {};
}

Result<void> SigstoreKeys::read_block(ObjectReader& block) {
  if (!config_) config_ = std::make_shared<attestation::SigstoreConfig>();
  attestation::SigstoreConfig& config = *config_;
  STEEPLE_CHECK(block.read_members("allowed_identities", [&](const ObjectReader::Member& issuer) {
    return ObjectReader::read(issuer, config.allowed_identities[issuer.name]);
  }));
  std::vector<std::string> skipped;
  STEEPLE_CHECK(block.read("skipped_images", skipped));
  config.skipped_images.insert(skipped.begin(), skipped.end());
  STEEPLE_CHECK(block.read("rekor_url", config.rekor_url));
  if (config.rekor_url.empty()) config.rekor_url = attestation::kPublicRekorUrl;
  STEEPLE_CHECK(block.read("ignore_sct", config.ignore_sct));
  STEEPLE_CHECK(block.read("ignore_tlog", config.ignore_tlog));
  STEEPLE_CHECK(block.read("ignore_attestations", config.ignore_attestations));
  return read_credentials(block);
}

Result<void> SigstoreKeys::read_credentials(ObjectReader& block) {
  return block.read_members("registry_credentials", [&](const ObjectReader::Member& registry) -> Result<void> {
    STEEPLE_TRY(reader, ObjectReader::open(registry.path, registry.value, block.notes()));
    attestation::RegistryCredential& credential = config_->registry_credentials[registry.name];
    STEEPLE_CHECK(reader.read("username", credential.username));
    std::optional<std::string> password;
    STEEPLE_CHECK(reader.read("password", password));
    if (!password) return {};
    credential.password = SecretBytes(runtime::as_bytes(*password));
    runtime::wipe_memory(password->data(), password->size());
    return {};
  });
}

std::string SigstoreKeys::complaint() const {
  if (!config_ || config_->ignore_tlog) return {};
  const Result<GoUrl> url = parse_go_url(config_->rekor_url);
  if (!url) return "error initializing sigstore verifier: failed to get rekor client: " + url.error().message();
  if (url->scheme == "https" || url->scheme == "http") return {};
  return "sigstore: rekor_url is neither an http nor an https URL";
}

}  // namespace steeple::agent
