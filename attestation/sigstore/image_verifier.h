// Whose signatures an image bears, for the attestors of containers (attestation 1.9). What has been verified is
// remembered for the life of the process, as SPIRE does, for the kVerifiedImagesMax images that were asked for last;
// failures are not. Callers for the same image share one verification, which goes on without them until
// kVerificationTime is over. Owned by an attestor; close() is awaited before it dies. I/O thread only.
#pragma once

#include <chrono>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/core/deadline.h"
#include "runtime/core/log.h"
#include "runtime/core/result.h"
#include "runtime/task/signal.h"
#include "runtime/task/task_group.h"

namespace steeple::attestation {

inline constexpr std::size_t kVerifiedImagesMax = 10'000;
inline constexpr std::size_t kVerificationsAtOnce = 8;
inline constexpr std::size_t kVerificationsMax = 256;  // those that wait for their turn included
inline constexpr std::chrono::seconds kVerificationTime{60};

// What precedes the error of prepare() in an attestor's.
inline constexpr std::string_view kSigstoreNotReady = "error initializing sigstore verifier";

using ImageSelectors = std::vector<std::string>;  // values: "image-signature:verified"

// What an attestor asks.
class ImageTrust {
 public:
  virtual ~ImageTrust() = default;
  // Awaited once, before the first verify(). Errors are upstream's texts.
  virtual runtime::Task<runtime::Result<void>> prepare(runtime::Deadline deadline, runtime::StopToken stop) = 0;
  // `image_id` as the kubelet or the daemon names it: "REGISTRY/REPOSITORY@sha256:HEX". Nothing for an image whose
  // verification is skipped. kDeadline and kCancelled of the caller's own; kLimit: too many images at once.
  virtual runtime::Task<runtime::Result<ImageSelectors>> verify(std::string image_id, runtime::Deadline deadline,
                                                                runtime::StopToken stop) = 0;
  virtual runtime::Task<void> close() = 0;
};

// The images that were asked for last, and their selectors.
class VerifiedImages {
 public:
  explicit VerifiedImages(std::size_t max) : max_(max) {}
  const ImageSelectors* find(const std::string& image_id);  // until the next keep()
  void keep(const std::string& image_id, ImageSelectors selectors);
  std::size_t size() const { return places_.size(); }

 private:
  using Order = std::list<std::pair<std::string, ImageSelectors>>;
  std::size_t max_;
  Order order_;  // the one used last at the front
  std::unordered_map<std::string, Order::iterator> places_;
};

class ImageVerifier {
 public:
  using Verify = std::function<runtime::Task<runtime::Result<ImageSelectors>>(
      std::string image_id, runtime::Deadline deadline, runtime::StopToken stop)>;
  // `skipped` outlives the object.
  ImageVerifier(runtime::Loop& loop, const std::set<std::string>& skipped, Verify verify, runtime::Logger log);

  runtime::Task<runtime::Result<ImageSelectors>> verify(std::string image_id, runtime::Deadline deadline,
                                                        runtime::StopToken stop);
  runtime::Task<void> close();

 private:
  struct Flight;
  runtime::Result<std::shared_ptr<Flight>> join(const std::string& image_id);
  runtime::Task<void> fly(std::string image_id, std::shared_ptr<Flight> flight);
  runtime::Task<runtime::Result<ImageSelectors>> take_turn(const std::string& image_id);

  runtime::Loop& loop_;
  const std::set<std::string>& skipped_;
  Verify verify_;
  runtime::Logger log_;
  VerifiedImages verified_{kVerifiedImagesMax};
  std::map<std::string, std::shared_ptr<Flight>> flights_;
  std::size_t under_way_ = 0;
  runtime::Signal freed_;
  runtime::TaskGroup tasks_;
};

}  // namespace steeple::attestation
