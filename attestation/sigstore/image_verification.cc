#include "attestation/sigstore/image_verification.h"

#include <fmt/format.h>

#include <algorithm>

#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

using Signatures = std::vector<VerifiedSignature>;

// The digest as a tag can spell it.
std::string tag_of(std::string digest, LayerKind kind) {
  std::replace(digest.begin(), digest.end(), ':', '-');
  return digest + (kind == LayerKind::kSignature ? ".sig" : ".att");
}

Result<void> check_sizes(const std::vector<LayerDescriptor>& layers) {
  std::uint64_t total = 0;
  for (const LayerDescriptor& layer : layers) {
    if (layer.size > kImageSignatureBytesMax - total) {
      return Error(ErrorCode::kLimit,
                   fmt::format("size of all layers exceeded the limit ({})", kImageSignatureBytesMax));
    }
    total += layer.size;
  }
  return {};
}

// The part of a verification that knows the image.
class Image {
 public:
  Image(const VerificationParts& parts, const std::string& id, ImageSource& source, Deadline deadline, StopToken stop)
      : parts_(parts), id_(id), source_(source), deadline_(deadline), stop_(stop) {}

  Task<Result<std::vector<std::string>>> selectors();

 private:
  Task<Result<Signatures>> check(LayerKind kind);
  Task<Result<Signatures>> check_all(LayerKind kind, const std::vector<LayerDescriptor>& layers);
  Task<Result<VerifiedSignature>> check_one(LayerKind kind, const LayerDescriptor& described);
  Task<Result<std::optional<RekorEntry>>> entry_of(LayerKind kind, const SignedLayer& layer);
  bool over() const { return stop_.stop_requested() || deadline_.passed(parts_.loop.now()); }

  const VerificationParts& parts_;
  const std::string& id_;
  ImageSource& source_;
  Deadline deadline_;
  StopToken stop_;
  std::string digest_;
};

Task<Result<std::vector<std::string>>> Image::selectors() {
  Result<std::string> digest = co_await source_.digest(deadline_, stop_);
  if (!digest) {
    const bool missing = digest.error().code() == ErrorCode::kNotFound;
    Error error = missing ? std::move(digest.error()).with_context("image tag not found") : std::move(digest.error());
    co_return std::move(error).with_context("failed to verify signatures");
  }
  digest_ = std::move(*digest);
  parts_.log.debug("Verifying image signatures", {{"image_id", id_}});
  Result<Signatures> signatures = co_await check(LayerKind::kSignature);
  if (!signatures) co_return std::move(signatures.error()).with_context("failed to verify signatures");
  if (parts_.ignore_attestations) co_return SignatureVerifier::selectors(*signatures, false);
  parts_.log.debug("Verifying image attestations", {{"image_id", id_}});
  Result<Signatures> attestations = co_await check(LayerKind::kAttestation);
  if (!attestations) co_return std::move(attestations.error()).with_context("failed to verify image attestations");
  co_return SignatureVerifier::selectors(*signatures, true);
}

Task<Result<Signatures>> Image::check(LayerKind kind) {
  Result<std::vector<LayerDescriptor>> layers = co_await source_.layers(tag_of(digest_, kind), deadline_, stop_);
  if (!layers) co_return std::move(layers.error());
  if (layers->empty() && kind == LayerKind::kSignature) {
    co_return Error(ErrorCode::kNotFound, "no signatures found");
  }
  STEEPLE_CO_CHECK(check_sizes(*layers));
  co_return co_await check_all(kind, *layers);
}

Task<Result<Signatures>> Image::check_all(LayerKind kind, const std::vector<LayerDescriptor>& layers) {
  Signatures good;
  std::vector<std::string> failures;
  for (const LayerDescriptor& layer : layers) {
    Result<VerifiedSignature> verified = co_await check_one(kind, layer);
    if (!verified && over()) co_return std::move(verified.error());
    if (!verified) {
      failures.push_back(verified.error().message());
      continue;
    }
    for (const std::string& note : verified->notes) parts_.log.warning(note, {{"image_id", id_}});
    good.push_back(std::move(*verified));
  }
  if (!good.empty()) co_return std::move(good);
  co_return Error(ErrorCode::kUnauthenticated,
                  fmt::format("no matching {}: {}", kind == LayerKind::kSignature ? "signatures" : "attestations",
                              fmt::join(failures, "\n ")));
}

Task<Result<VerifiedSignature>> Image::check_one(LayerKind kind, const LayerDescriptor& described) {
  if (!described.annotations.contains(kSignatureAnnotation)) {
    co_return Error(ErrorCode::kMalformed, fmt::format("signature layer {} is missing {} annotation", described.digest,
                                                       runtime::go_quote(kSignatureAnnotation)));
  }
  Result<std::string> content = co_await source_.content(described, deadline_, stop_);
  if (!content) co_return std::move(content.error());
  const SignedLayer layer{described.media_type, described.annotations, std::move(*content)};
  Result<std::optional<RekorEntry>> entry = co_await entry_of(kind, layer);
  if (!entry) co_return std::move(entry.error());
  co_return co_await parts_.workers.run([&] { return parts_.layers.verify(kind, layer, digest_, *entry); });
}

Task<Result<std::optional<RekorEntry>>> Image::entry_of(LayerKind kind, const SignedLayer& layer) {
  if (!parts_.layers.needs_entry(layer)) co_return std::optional<RekorEntry>();
  const auto check = [&](const RekorEntry& entry) -> Result<void> {
    STEEPLE_TRY(verified, parts_.layers.verify(kind, layer, digest_, entry));
    return {};
  };
  Result<RekorEntry> found = co_await parts_.layers.find_entry(layer, check, deadline_, stop_);
  if (!found) co_return std::move(found.error());
  co_return std::optional(std::move(*found));
}

}  // namespace

Task<Result<std::vector<std::string>>> verify_image(const VerificationParts& parts, std::string image_id,
                                                    Deadline deadline, StopToken stop) {
  Result<ImageReference> reference = parse_image_reference(image_id);
  if (!reference) co_return std::move(reference.error()).with_context("failed to parse image reference");
  Result<std::unique_ptr<ImageSource>> source = parts.open(*reference);
  if (!source) co_return std::move(source.error()).with_context("failed to verify signatures");
  Image image(parts, image_id, **source, deadline, stop);
  co_return co_await image.selectors();
}

}  // namespace steeple::attestation
