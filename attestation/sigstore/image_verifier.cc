#include "attestation/sigstore/image_verifier.h"

#include <fmt/format.h>

#include <optional>

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

const ImageSelectors* VerifiedImages::find(const std::string& image_id) {
  const auto place = places_.find(image_id);
  if (place == places_.end()) return nullptr;
  order_.splice(order_.begin(), order_, place->second);
  return &place->second->second;
}

void VerifiedImages::keep(const std::string& image_id, ImageSelectors selectors) {
  if (const auto place = places_.find(image_id); place != places_.end()) {
    order_.erase(place->second);
    places_.erase(place);
  }
  if (places_.size() == max_) {
    places_.erase(order_.back().first);
    order_.pop_back();
  }
  order_.emplace_front(image_id, std::move(selectors));
  places_.emplace(image_id, order_.begin());
}

struct ImageVerifier::Flight {
  explicit Flight(runtime::Loop& loop) : done(loop) {}
  runtime::Signal done;
  std::optional<Result<ImageSelectors>> answer;
};

ImageVerifier::ImageVerifier(runtime::Loop& loop, const std::set<std::string>& skipped, Verify verify,
                             runtime::Logger log)
    : loop_(loop), skipped_(skipped), verify_(std::move(verify)), log_(std::move(log)), freed_(loop), tasks_(loop) {}

Task<Result<ImageSelectors>> ImageVerifier::verify(std::string image_id, Deadline deadline, StopToken stop) {
  log_.debug("Verifying image with sigstore", {{"image_id", image_id}});
  if (skipped_.contains(image_id)) co_return ImageSelectors();
  if (const ImageSelectors* known = verified_.find(image_id)) {
    log_.debug("Sigstore verifier cache hit", {{"image_id", image_id}});
    co_return *known;
  }
  Result<std::shared_ptr<Flight>> joined = join(image_id);
  if (!joined) co_return std::move(joined.error());
  const std::shared_ptr<Flight> flight = std::move(*joined);
  while (!flight->answer) STEEPLE_CO_CHECK(co_await flight->done.wait(deadline, stop));
  co_return *flight->answer;
}

Result<std::shared_ptr<ImageVerifier::Flight>> ImageVerifier::join(const std::string& image_id) {
  if (const auto under_way = flights_.find(image_id); under_way != flights_.end()) return under_way->second;
  if (flights_.size() == kVerificationsMax) {
    return Error(ErrorCode::kLimit, fmt::format("{} images are being verified", kVerificationsMax));
  }
  auto flight = std::make_shared<Flight>(loop_);
  flights_.emplace(image_id, flight);
  if (!tasks_.spawn(fly(image_id, flight))) {
    flights_.erase(image_id);
    return Error(ErrorCode::kClosed, "the attestor is closed");
  }
  return flight;
}

Task<void> ImageVerifier::fly(std::string image_id, std::shared_ptr<Flight> flight) {
  Result<ImageSelectors> answer = co_await take_turn(image_id);
  if (answer) verified_.keep(image_id, *answer);
  flight->answer = std::move(answer);
  flights_.erase(image_id);
  flight->done.notify();
}

Task<Result<ImageSelectors>> ImageVerifier::take_turn(const std::string& image_id) {
  const Deadline deadline = Deadline::after(loop_.now(), kVerificationTime);
  while (under_way_ == kVerificationsAtOnce) STEEPLE_CO_CHECK(co_await freed_.wait(deadline, tasks_.token()));
  ++under_way_;
  Result<ImageSelectors> answer = co_await verify_(image_id, deadline, tasks_.token());
  --under_way_;
  freed_.notify();
  co_return std::move(answer);
}

Task<void> ImageVerifier::close() {
  tasks_.close(runtime::StopReason::kShutdown);
  co_await tasks_.join();
}

}  // namespace steeple::attestation
