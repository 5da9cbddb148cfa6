// Asks a container registry about one image (OCI distribution specification; go-containerregistry, v1/remote): which
// digest it has, what lies under the tag of its signatures, and the content of a layer. The first request finds out
// how the registry is reached (HTTPS; plain HTTP where allows_plain_http and HTTPS does not answer) and what it asks
// for: nothing, a password, or a token that is fetched with one. Credentials go to the registry and to the realm it
// names, never along a redirect. Owned by one verification, which outlives its requests. I/O thread only; hashes run on
// a worker.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "attestation/sigstore/http_url.h"
#include "attestation/sigstore/image_reference.h"
#include "attestation/sigstore/registry_answers.h"
#include "attestation/sigstore/registry_keychain.h"
#include "attestation/sigstore/signature_verifier.h"
#include "attestation/sigstore/www_authenticate.h"
#include "runtime/http1/client.h"

namespace steeple::attestation {

inline constexpr std::size_t kManifestBytesMax = 16 * 1024 * 1024;
inline constexpr std::size_t kTokenBytesMax = 64 * 1024;
inline constexpr std::size_t kLayerBytesMax = kSignedPayloadBytesMax;
inline constexpr std::chrono::seconds kRegistryRequestTimeout{30};
inline constexpr std::chrono::milliseconds kPlainPingDelay{300};  // HTTPS has that start over plain HTTP

// What a verification wants to know of an image. kNotFound: no such image. kUnavailable, kTls: not reached. kDenied: an
// address that is not gone to. kMalformed: not what a registry answers. Texts are go-containerregistry's.
class ImageSource {
 public:
  virtual ~ImageSource() = default;
  // "sha256:HEX"; asked only where the image's name has none.
  virtual runtime::Task<runtime::Result<std::string>> digest(runtime::Deadline deadline, runtime::StopToken stop) = 0;
  // The layers under a tag of the image's repository; none where there is no such tag.
  virtual runtime::Task<runtime::Result<std::vector<LayerDescriptor>>> layers(std::string tag,
                                                                              runtime::Deadline deadline,
                                                                              runtime::StopToken stop) = 0;
  // Checked against its size and digest.
  virtual runtime::Task<runtime::Result<std::string>> content(const LayerDescriptor& layer, runtime::Deadline deadline,
                                                              runtime::StopToken stop) = 0;
};

using HttpSend = std::function<runtime::Task<runtime::Result<runtime::HttpResponse>>(
    runtime::HttpRequest request, runtime::Deadline deadline, runtime::StopToken stop)>;

class RegistryClient final : public ImageSource {
 public:
  // After an answer that will pass (408, 429, 5xx): these waits, then again.
  using Retries = std::vector<std::chrono::nanoseconds>;
  RegistryClient(runtime::Loop& loop, runtime::WorkerPool& workers, HttpSend send, ImageReference image,
                 RegistryLogin login, Retries retries = {std::chrono::seconds(1), std::chrono::seconds(3)});

  runtime::Task<runtime::Result<std::string>> digest(runtime::Deadline deadline, runtime::StopToken stop) override;
  runtime::Task<runtime::Result<std::vector<LayerDescriptor>>> layers(std::string tag, runtime::Deadline deadline,
                                                                      runtime::StopToken stop) override;
  runtime::Task<runtime::Result<std::string>> content(const LayerDescriptor& layer, runtime::Deadline deadline,
                                                      runtime::StopToken stop) override;

 private:
  using Answer = runtime::Result<runtime::HttpResponse>;
  struct Wanted;
  struct Realm;
  struct Race;
  runtime::Task<runtime::Result<void>> connect(runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<Answer> ping(runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<Answer> ping_by(bool tls, runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<void> run_in(Race& race, bool tls, runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<Answer> get(Wanted wanted, runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<Answer> get_once(const Wanted& wanted, runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<Answer> follow(Wanted wanted, runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<Answer> try_elsewhere(const Wanted& wanted, Answer refused, runtime::Deadline deadline,
                                      runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> refresh_token(runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<runtime::Result<TokenAnswer>> fetch_token(Realm realm, const RegistryLogin& login,
                                                          runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<Answer> ask_realm(const Realm& realm, std::string authorization, runtime::Deadline deadline,
                                  runtime::StopToken stop);
  runtime::Task<Answer> ask_realm_by_oauth(const Realm& realm, const RegistryLogin& login, runtime::Deadline deadline,
                                           runtime::StopToken stop);
  HttpUrl url_of(std::string_view kind, std::string_view identifier) const;
  std::string authorization() const;
  void want_scope(const Challenge& challenge);

  runtime::Loop& loop_;
  runtime::WorkerPool& workers_;
  HttpSend send_;
  ImageReference image_;
  RegistryLogin login_;
  Retries retries_;
  bool connected_ = false;
  bool tls_ = true;
  Challenge challenge_;
  std::vector<std::string> scopes_;
  runtime::SecretBytes token_;
};

}  // namespace steeple::attestation
