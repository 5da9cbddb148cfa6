#include "attestation/node/k8s_token/k8s_token_attestor.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>

#include "attestation/node/k8s_token/messages.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "runtime/os/file_descriptor.h"

namespace steeple::attestation {

namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

// Never waits: a pipe in the file's place is refused.
Result<std::string> read_token(const std::string& path) {
  runtime::FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (!file) return runtime::path_error("open", path, errno);
  struct stat status;
  if (::fstat(file.get(), &status) != 0) return runtime::path_error("stat", path, errno);
  if (!S_ISREG(status.st_mode) && !S_ISDIR(status.st_mode)) {
    return Error(ErrorCode::kInvalidArgument, runtime::go_quote(path) + " is not a regular file");
  }
  STEEPLE_TRY(token, runtime::read_descriptor(file.get(), path, k8s_token::kTokenBytesMax));
  if (token.empty()) return Error(ErrorCode::kInvalidArgument, runtime::go_quote(path) + " is empty");
  return token;
}

class K8sTokenAttestor final : public NodeAttestor {
 public:
  explicit K8sTokenAttestor(K8sTokenConfig config) : config_(std::move(config)) {}

  std::string_view name() const override { return config_.kind; }

  Result<NodeEvidence> evidence() override {
    Result<std::string> token = read_token(config_.token_path);
    if (!token) {
      return Error(ErrorCode::kInvalidArgument,
                   "unable to load token from " + config_.token_path + ": " + token.error().message());
    }
    NodeEvidence evidence(std::string(config_.kind), k8s_token::format_attestation_data(config_.cluster, *token));
    runtime::wipe_memory(token->data(), token->size());
    return evidence;
  }

  Result<runtime::Bytes> answer(runtime::BytesView) override {
    return Error(ErrorCode::kInternal, "plugin closed stream before handling the challenge");
  }

 private:
  K8sTokenConfig config_;
};

}  // namespace

Result<std::unique_ptr<NodeAttestor>> make_k8s_token_attestor(K8sTokenConfig config) {
  bool projected = config.kind == kK8sPsatName;
  if (config.cluster.empty()) {
    return Error(ErrorCode::kInvalidArgument,
                 projected ? "missing required cluster block" : "configuration missing cluster");
  }
  if (config.token_path.empty()) config.token_path = projected ? kK8sPsatTokenPath : kK8sSatTokenPath;
  return std::unique_ptr<NodeAttestor>(std::make_unique<K8sTokenAttestor>(std::move(config)));
}

}  // namespace steeple::attestation
