#include "agent/sds/secrets.h"

#include <algorithm>
#include <set>

#include "envoy/extensions/transport_sockets/tls/v3/secret.pb.h"
#include "envoy/service/discovery/v3/discovery.pb.h"
#include "runtime/core/go_text.h"
#include "runtime/core/secret_bytes.h"
#include "runtime/grpc/framing.h"

namespace steeple::agent {

using envoy::config::core::v3::DataSource;
using envoy::extensions::transport_sockets::tls::v3::CertificateValidationContext;
using envoy::extensions::transport_sockets::tls::v3::Secret;
using envoy::extensions::transport_sockets::tls::v3::SPIFFECertValidatorConfig;
using envoy::service::discovery::v3::DiscoveryResponse;
using runtime::Result;
using runtime::SharedBytes;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

namespace {

constexpr const char* kSecretType = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";
constexpr const char* kValidatorType =
    "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.SPIFFECertValidatorConfig";
constexpr const char* kValidatorName = "envoy.tls.cert_validator.spiffe";

// The names not satisfied yet.
class Wanted {
 public:
  explicit Wanted(std::span<const std::string> names)
      : everything_(names.empty()), names_(names.begin(), names.end()) {}
  bool take(const std::string& name) { return names_.erase(name) != 0; }
  bool take_or_everything(const std::string& name) { return everything_ || take(name); }
  std::vector<std::string> rest() const { return {names_.begin(), names_.end()}; }

 private:
  bool everything_;
  std::set<std::string> names_;
};

void choose_own_bundle(const WorkloadUpdate& update, Wanted& wanted, const SdsOptions& options,
                       std::vector<ChosenSecret>& chosen) {
  const SharedBundle& own = update.own_bundle();
  if (!own) return;
  const std::string id = own->trust_domain().id_string();
  if (wanted.take_or_everything(id)) {
    chosen.push_back({id, nullptr, {own}});
  } else if (wanted.take(options.default_bundle_name)) {
    chosen.push_back({options.default_bundle_name, nullptr, {own}});
  } else if (wanted.take(options.default_all_bundles_name)) {
    std::vector<SharedBundle> all{own};
    all.insert(all.end(), update.federated_bundles().begin(), update.federated_bundles().end());
    std::sort(all.begin(), all.end(), [](const SharedBundle& a, const SharedBundle& b) {
      return a->trust_domain().name() < b->trust_domain().name();
    });
    chosen.push_back({options.default_all_bundles_name, nullptr, std::move(all), true});
  }
}

void choose_certificates(const WorkloadUpdate& update, Wanted& wanted, const SdsOptions& options,
                         std::vector<ChosenSecret>& chosen) {
  bool first = true;
  for (const Identity& identity : update.identities()) {
    const std::string& id = identity.entry().spiffe_id.text();
    if (wanted.take_or_everything(id)) {
      chosen.push_back({id, &identity, {}});
    } else if (first && wanted.take(options.default_svid_name)) {
      chosen.push_back({options.default_svid_name, &identity, {}});
    }
    first = false;
  }
}

std::string bundle_pem(const Bundle& bundle) {
  std::string pem;
  for (const X509Authority& authority : bundle.x509_authorities()) pem += runtime::to_pem(authority.certificate);
  return pem;
}

void set_validator(std::span<const SharedBundle> bundles, CertificateValidationContext& context) {
  SPIFFECertValidatorConfig config;
  for (const SharedBundle& bundle : bundles) {
    auto* trusted = config.add_trust_domains();
    trusted->set_name(bundle->trust_domain().name());
    trusted->mutable_trust_bundle()->set_inline_bytes(bundle_pem(*bundle));
  }
  auto* validator = context.mutable_custom_validator_config();
  validator->set_name(kValidatorName);
  validator->mutable_typed_config()->set_type_url(kValidatorType);
  config.SerializeToString(validator->mutable_typed_config()->mutable_value());
}

// The caller wipes the key in `secret`.
Result<void, Status> fill_certificate(const X509Svid& svid, Secret& secret) {
  auto chain = runtime::split_certificate_chain(svid.chain());
  if (!chain) return runtime::grpc::to_status(chain.error());
  std::string pem;
  for (const runtime::Bytes& der : *chain) pem += runtime::to_pem("CERTIFICATE", der);
  auto* certificate = secret.mutable_tls_certificate();
  certificate->mutable_certificate_chain()->set_inline_bytes(std::move(pem));
  certificate->mutable_private_key()->set_inline_bytes(runtime::to_pem("PRIVATE KEY", svid.key().view()));
  return {};
}

void wipe(std::string& text) { runtime::wipe_memory(text.data(), text.size()); }

Result<void, Status> add_secret(const ChosenSecret& chosen, bool spiffe_validator, DiscoveryResponse& response) {
  Secret secret;
  secret.set_name(chosen.name);
  if (chosen.identity != nullptr) {
    if (auto filled = fill_certificate(chosen.identity->svid(), secret); !filled) return filled;
  } else if (spiffe_validator) {
    set_validator(chosen.bundles, *secret.mutable_validation_context());
  } else if (chosen.all_bundles) {
    return Status(StatusCode::kInternal, "unable to use \"SPIFFE validator\" on Envoy below 1.17");
  } else {
    secret.mutable_validation_context()->mutable_trusted_ca()->set_inline_bytes(bundle_pem(*chosen.bundles.front()));
  }
  auto* resource = response.add_resources();
  resource->set_type_url(kSecretType);
  secret.SerializeToString(resource->mutable_value());
  if (secret.has_tls_certificate())
    wipe(*secret.mutable_tls_certificate()->mutable_private_key()->mutable_inline_bytes());
  return {};
}

// In memory of the exact size, so that no copy of a key is left behind by a buffer that grew.
SharedBytes framed(const DiscoveryResponse& response) {
  const std::size_t size = response.ByteSizeLong();
  runtime::Bytes bytes(runtime::grpc::kMessagePrefixSize + size);
  for (unsigned i = 0; i < 4; ++i) bytes[1 + i] = static_cast<std::uint8_t>(size >> (24 - 8 * i));
  response.SerializeWithCachedSizesToArray(bytes.data() + runtime::grpc::kMessagePrefixSize);
  return SharedBytes(std::move(bytes), /*secret=*/true);
}

}  // namespace

Result<std::vector<ChosenSecret>, Status> choose_secrets(const WorkloadUpdate& update,
                                                         std::span<const std::string> names,
                                                         const SdsOptions& options) {
  Wanted wanted(names);
  std::vector<ChosenSecret> chosen;
  choose_own_bundle(update, wanted, options, chosen);
  for (const SharedBundle& bundle : update.federated_bundles()) {
    const std::string id = bundle->trust_domain().id_string();
    if (wanted.take_or_everything(id)) chosen.push_back({id, nullptr, {bundle}});
  }
  choose_certificates(update, wanted, options, chosen);
  const std::vector<std::string> rest = wanted.rest();
  if (rest.empty()) return chosen;
  return Status(StatusCode::kInvalidArgument,
                "workload is not authorized for the requested identities " + runtime::go_quoted_list(rest));
}

Result<SharedBytes, Status> encode_secrets(std::span<const ChosenSecret> secrets, bool spiffe_validator,
                                           const SdsEnvelope& envelope) {
  DiscoveryResponse response;
  response.set_version_info(envelope.version_info);
  response.set_type_url(envelope.type_url);
  response.set_nonce(envelope.nonce);
  Result<void, Status> added;
  for (const ChosenSecret& secret : secrets) {
    added = add_secret(secret, spiffe_validator, response);
    if (!added) break;
  }
  SharedBytes message = added ? framed(response) : SharedBytes();
  for (auto& resource : *response.mutable_resources()) wipe(*resource.mutable_value());
  if (!added) return std::move(added.error());
  return message;
}

}  // namespace steeple::agent
