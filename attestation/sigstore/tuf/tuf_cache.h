// What Sigstore's clients keep of an update repository between their runs: $HOME/.sigstore/root, or TUF_ROOT. Metadata
// are in a LevelDB in `tuf.db`, targets are files in `targets`, a mirror other than the public one is in `remote.json`:
// the layout of sigstore/pkg/tuf, so that the cache of SPIRE Agent or of `cosign initialize` is used, and left readable
// for them. Blocking, small; I/O thread.
#pragma once

#include <optional>
#include <string>

#include "attestation/sigstore/tuf/tuf_client.h"

namespace steeple::attestation {

inline constexpr std::size_t kTufTargetBytesMax = 4 * 1024 * 1024;

class TufCache {
 public:
  explicit TufCache(std::string folder) : folder_(std::move(folder)) {}

  std::optional<std::string> mirror() const;  // of remote.json
  runtime::Result<TufStore> read_metadata() const;
  runtime::Result<void> write_metadata(const TufStore& store) const;
  runtime::Result<std::string> read_target(const std::string& name) const;
  runtime::Result<void> write_target(const std::string& name, std::string_view bytes) const;

 private:
  std::string target_path(const std::string& name) const;
  std::string folder_;
};

}  // namespace steeple::attestation
