#include "attestation/node/x509pop/x509pop_attestor.h"

#include <optional>

#include "attestation/node/x509pop/key_pair.h"
#include "attestation/node/x509pop/messages.h"

namespace steeple::attestation {

namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

class X509PopAttestor final : public NodeAttestor {
 public:
  explicit X509PopAttestor(X509PopConfig config) : config_(std::move(config)) {}

  std::string_view name() const override { return kX509PopName; }

  Result<NodeEvidence> evidence() override {
    STEEPLE_TRY(pair,
                x509pop::load_key_pair(config_.certificate_path, config_.private_key_path, config_.intermediates_path));
    x509pop::AttestationData data;
    data.certificates = std::move(pair.chain);
    key_.emplace(std::move(pair.key));
    return NodeEvidence(std::string(kX509PopName), runtime::SecretBytes(x509pop::format_attestation_data(data)));
  }

  Result<Bytes> answer(BytesView message) override {
    // One challenge per exchange: the key is let go with its answer, so a second one has nothing to sign with.
    std::optional<x509pop::ProofKey> key = std::exchange(key_, std::nullopt);
    if (!key) return Error(ErrorCode::kInternal, "plugin closed stream before handling the challenge");
    Result<x509pop::Challenge> challenge = x509pop::parse_challenge(message);
    if (!challenge) {
      return Error(ErrorCode::kInternal, "unable to unmarshal challenge: " + challenge.error().message());
    }
    Result<x509pop::Response> response = key->answer(*challenge);
    if (!response) {
      return Error(ErrorCode::kInternal, "failed to calculate challenge response: " + response.error().message());
    }
    return x509pop::format_response(*response);
  }

 private:
  X509PopConfig config_;
  std::optional<x509pop::ProofKey> key_;
};

}  // namespace

Result<std::unique_ptr<NodeAttestor>> make_x509pop_attestor(X509PopConfig config) {
  auto invalid = [](const char* text) { return Error(ErrorCode::kInvalidArgument, text); };
  if (!config.spiffe_endpoint_socket.empty()) return invalid("spiffe_endpoint_socket is not supported");
  if (config.private_key_path.empty()) return invalid("private_key_path is required");
  if (config.certificate_path.empty()) return invalid("certificate_path is required");
  STEEPLE_CHECK(x509pop::load_key_pair(config.certificate_path, config.private_key_path, config.intermediates_path));
  return std::unique_ptr<NodeAttestor>(std::make_unique<X509PopAttestor>(std::move(config)));
}

}  // namespace steeple::attestation
