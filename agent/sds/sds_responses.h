// Encoded answers shared by the streams that receive the same: same update, names, validation, version and type. All of
// them get the same nonce too, which is a stream's own only in that it must not repeat within the stream. Keeps the
// answers used last while somebody holds their update, at most kSdsResponsesKept. Owned by SdsApi. I/O thread only.
#pragma once

#include <memory>

#include "agent/sds/secrets.h"

namespace steeple::agent {

inline constexpr std::size_t kSdsResponsesKept = 32;

struct SdsQuestion {
  std::shared_ptr<const WorkloadUpdate> update;
  std::vector<std::string> names;  // as of wanted_names()
  bool spiffe_validator = true;
  std::string version_info;
  std::string type_url;
};

struct SdsAnswer {
  runtime::SharedBytes message;  // with its gRPC prefix
  std::string nonce;
  std::size_t count = 0;  // secrets in it
};

class SdsResponses {
 public:
  explicit SdsResponses(SdsOptions options) : options_(std::move(options)) {}
  const SdsOptions& options() const { return options_; }

  // `fresh`: with a nonce of its own, not shared.
  runtime::Result<SdsAnswer, runtime::grpc::Status> answer(const SdsQuestion& question, bool fresh);
  // Without a nonce, for FetchSecrets.
  runtime::Result<SdsAnswer, runtime::grpc::Status> answer_once(const SdsQuestion& question) const;

  void forget_unused();  // answers of updates that nobody holds
  std::size_t kept() const { return kept_.size(); }

 private:
  struct Kept {
    std::weak_ptr<const WorkloadUpdate> update;
    std::vector<std::string> names;
    bool spiffe_validator;
    std::string version_info;
    std::string type_url;
    SdsAnswer answer;
    bool is_for(const SdsQuestion& question) const;
  };
  runtime::Result<SdsAnswer, runtime::grpc::Status> encode(const SdsQuestion& question, std::string nonce) const;

  SdsOptions options_;
  std::vector<Kept> kept_;  // the one used last at the end
};

}  // namespace steeple::agent
