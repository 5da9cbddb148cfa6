#include "attestation/sigstore/image_verification.h"

#include <catch2/catch.hpp>
#include <map>

#include "runtime/task/blocking.h"

using namespace steeple;
using namespace steeple::attestation;
using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

const std::string kHex(64, 'a');
const std::string kImage = "reg.example/app@sha256:" + kHex;

// A registry of one image. Layers are named by their content, which says what a verifier thinks of them.
struct Source final : ImageSource {
  Task<Result<std::string>> digest(Deadline, StopToken) override { co_return digest_answer; }
  Task<Result<std::vector<LayerDescriptor>>> layers(std::string tag, Deadline, StopToken) override {
    asked.push_back(tag);
    co_return tags[tag];
  }
  Task<Result<std::string>> content(const LayerDescriptor& layer, Deadline, StopToken) override {
    if (layer.digest == "lost") co_return Error(ErrorCode::kUnavailable, "lost");
    co_return layer.digest;
  }
  Result<std::string> digest_answer = "sha256:" + kHex;
  std::map<std::string, Result<std::vector<LayerDescriptor>>> tags;
  std::vector<std::string> asked;
};

LayerDescriptor layer(const std::string& name) {
  LayerDescriptor described;
  described.digest = name;
  described.size = name.size();
  described.annotations[kSignatureAnnotation] = "s";
  return described;
}

struct Verifier final : LayerVerifier {
  bool needs_entry(const SignedLayer& signed_layer) const override {
    return signed_layer.payload.starts_with("logged");
  }
  Task<Result<RekorEntry>> find_entry(const SignedLayer& signed_layer, RekorEntryCheck check, Deadline,
                                      StopToken) override {
    if (signed_layer.payload == "logged away") co_return Error(ErrorCode::kNotFound, "not in the log");
    RekorEntry entry;
    entry.log_id = "found";
    STEEPLE_CO_CHECK(check(entry));
    co_return entry;
  }
  Result<VerifiedSignature> verify(LayerKind, const SignedLayer& signed_layer, std::string_view digest,
                                   const std::optional<RekorEntry>& entry) const override {
    if (signed_layer.payload.starts_with("bad")) return Error(ErrorCode::kDenied, signed_layer.payload);
    CHECK(digest == "sha256:" + kHex);
    VerifiedSignature verified;
    verified.subject = signed_layer.payload;
    verified.entry = entry;
    return verified;
  }
};

struct World {
  // Of the given signatures and attestations.
  Result<std::vector<std::string>> verify(const std::vector<std::string>& signatures,
                                          const std::vector<std::string>& attestations, bool ignore = false,
                                          const std::string& image = kImage) {
    const auto layers = [](const std::vector<std::string>& names) {
      std::vector<LayerDescriptor> made;
      for (const std::string& name : names) made.push_back(layer(name));
      return made;
    };
    source->tags["sha256-" + kHex + ".sig"] = layers(signatures);
    source->tags["sha256-" + kHex + ".att"] = layers(attestations);
    return run(ignore, image);
  }
  Result<std::vector<std::string>> run(bool ignore = false, const std::string& image = kImage) {
    const VerificationParts parts{
        loop,     workers,
        verifier, [this](const ImageReference&) { return Result<std::unique_ptr<ImageSource>>(std::move(source)); },
        ignore,   runtime::Logger()};
    auto selectors = runtime::run_until_done(loop, verify_image(parts, image, Deadline::never(), {}));
    source = std::make_unique<Source>();
    return selectors;
  }
  std::string refusal(const std::vector<std::string>& signatures, const std::vector<std::string>& attestations) {
    auto selectors = verify(signatures, attestations);
    REQUIRE_FALSE(selectors);
    return selectors.error().message();
  }

  runtime::Loop loop;
  runtime::WorkerPool workers{loop, 1, 16};
  Verifier verifier;
  std::unique_ptr<Source> source = std::make_unique<Source>();
};

using Values = std::vector<std::string>;

}  // namespace

TEST_CASE("image verification: the good signatures of an image become its selectors, in SPIRE's order") {
  World world;
  CHECK(world.verify({"one", "bad", "two"}, {"attested"}) ==
        Values{"image-signature:verified", "image-attestations:verified", "image-signature-subject:one",
               "image-signature-subject:two"});
  CHECK(world.verify({"one"}, {"bad"}, true) == Values{"image-signature:verified", "image-signature-subject:one"});
}

TEST_CASE("image verification: a signature without a receipt is looked up in the log") {
  World world;
  auto found = world.verify({"logged"}, {}, true);
  REQUIRE(found);
  CHECK(std::find(found->begin(), found->end(), "image-signature-log-id:found") != found->end());
  CHECK(world.refusal({"logged away"}, {}) == "failed to verify signatures: no matching signatures: not in the log");
}

TEST_CASE("image verification: what is missing or wrong, in upstream's words") {
  World world;
  CHECK(world.refusal({}, {}) == "failed to verify signatures: no signatures found");
  CHECK(world.refusal({"bad 1", "lost", "bad 2"}, {}) ==
        "failed to verify signatures: no matching signatures: bad 1\n lost\n bad 2");
  CHECK(world.refusal({"one"}, {}) == "failed to verify image attestations: no matching attestations: ");
  CHECK(world.refusal({"one"}, {"bad"}) == "failed to verify image attestations: no matching attestations: bad");
  CHECK(world.run(false, "?").error().message() == "failed to parse image reference: could not parse reference: ?");
  world.source->digest_answer = Error(ErrorCode::kNotFound, "GET x");
  CHECK(world.run(false, "reg.example/app:1").error().message() ==
        "failed to verify signatures: image tag not found: GET x");
  world.source->tags["sha256-" + kHex + ".sig"] = Error(ErrorCode::kUnavailable, "GET y");
  CHECK(world.run().error().message() == "failed to verify signatures: GET y");
  LayerDescriptor bare = layer("bare");
  bare.annotations.clear();
  world.source->tags["sha256-" + kHex + ".sig"] = std::vector<LayerDescriptor>{bare};
  CHECK(world.run().error().message() ==
        "failed to verify signatures: no matching signatures: signature layer bare is missing "
        "\"dev.cosignproject.cosign/signature\" annotation");
}

TEST_CASE("image verification: no more than so many bytes of one tag") {
  World world;
  LayerDescriptor large = layer("large");
  large.size = kImageSignatureBytesMax / 2 + 1;
  world.source->tags["sha256-" + kHex + ".sig"] = std::vector<LayerDescriptor>{large, large};
  auto refused = world.run();
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == ErrorCode::kLimit);
}
