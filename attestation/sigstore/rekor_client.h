// Rekor, the log of signatures, asked for the entry of one signature that brings no receipt of its own (cosign,
// FindTlogEntry and tlogValidateEntry). I/O thread only.
#pragma once

#include <string>
#include <vector>

#include "attestation/sigstore/rekor_answer.h"
#include "attestation/sigstore/signed_layer.h"
#include "runtime/http1/client.h"

namespace steeple::attestation {

inline constexpr int kRekorTriesMax = 4;  // at once one after the other, where there is no answer or one of 429 or 5xx

class RekorClient {
 public:
  // `url` is the configuration's, http or https, with or without a path. `http` outlives this object.
  RekorClient(runtime::HttpClient& http, std::string url, std::vector<LogKey> keys);

  // The earliest entry that is proven to be in the log and passes `check`, which looks at what no proof says: the
  // signed entry timestamp, and whether the entry is of this signature. `layer` outlives the task. kNotFound: the log
  // has none. kUnauthenticated: none that can be believed.
  runtime::Task<runtime::Result<RekorEntry>> find(const SignedLayer& layer, RekorEntryCheck check,
                                                  runtime::Deadline deadline, runtime::StopToken stop);

 private:
  runtime::Task<runtime::Result<std::string>> post(std::string body, runtime::Deadline deadline,
                                                   runtime::StopToken stop);
  runtime::HttpClient& http_;
  std::string url_;  // of the search
  std::vector<LogKey> keys_;
};

}  // namespace steeple::attestation
