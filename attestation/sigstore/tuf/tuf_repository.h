// Sigstore's update repository as its clients use it at their start (sigstore/pkg/tuf): from the cache while its
// timestamp holds, else from the mirror, and then all targets. Carries bytes for a TufClient. I/O thread only.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "attestation/kube/access.h"
#include "attestation/sigstore/tuf/tuf_cache.h"
#include "runtime/core/log.h"
#include "runtime/http1/client.h"

namespace steeple::attestation {

inline constexpr char kTufMirror[] = "https://tuf-repo-cdn.sigstore.dev";

std::string_view embedded_tuf_root();  // root.json of the public repository

struct TufSettings {
  std::string mirror = kTufMirror;          // http, https or file URL; else the name of a bucket
  std::optional<std::string> cache_folder;  // nothing: all is kept in memory
  std::string root;                         // where the cache has none
  bool always_update = false;
};

// TUF_ROOT, SIGSTORE_NO_CACHE, HOME, and the mirror in the cache.
TufSettings tuf_settings(const Environment& environment);

struct TufTargetFile {
  std::string name;
  std::string bytes;
  bool active = false;
};

class TufRepository {
 public:
  // `http` outlives this object.
  TufRepository(runtime::HttpClient& http, TufSettings settings, runtime::Logger log);

  runtime::Task<runtime::Result<void>> load(runtime::WallTime now, runtime::Deadline deadline, runtime::StopToken stop);

  // After load(): the targets of a usage ("fulcio"); where there are none, those of `fallbacks` that are there.
  runtime::Result<std::vector<TufTargetFile>> targets(std::string_view usage,
                                                      const std::vector<std::string>& fallbacks) const;

 private:
  runtime::Task<runtime::Result<void>> update(runtime::WallTime now, runtime::Deadline deadline,
                                              runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> update_roots(runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> update_metadata(runtime::WallTime now, runtime::Deadline deadline,
                                                       runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> fetch_target(std::string name, TufTarget target, runtime::Deadline deadline,
                                                    runtime::StopToken stop);
  runtime::Task<runtime::Result<std::string>> get(std::string path, std::size_t size_max, runtime::Deadline deadline,
                                                  runtime::StopToken stop);
  runtime::Result<std::string> kept_target(const std::string& name, const TufTarget& target) const;
  runtime::Result<TufStore> read_cache() const;

  runtime::HttpClient& http_;
  TufSettings settings_;
  runtime::Logger log_;
  std::optional<TufCache> cache_;
  std::string url_;
  std::optional<TufClient> client_;
  std::map<std::string, std::string> fetched_;
};

}  // namespace steeple::attestation
