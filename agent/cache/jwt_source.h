// Where the endpoints get JWT-SVIDs from. Implemented in agent/sync over the cache and the server; faked in tests. I/O
// thread only.
#pragma once

#include <string>
#include <vector>

#include "agent/entry/registration_entry.h"
#include "agent/spiffe/jwt_svid.h"
#include "runtime/core/deadline.h"
#include "runtime/task/stop_token.h"
#include "runtime/task/task.h"

namespace steeple::agent {

class JwtSource {
 public:
  virtual ~JwtSource() = default;

  // A valid token for the entry's SPIFFE ID and this audience, duplicates and all, in any order. A cached one is given
  // at once; else the server is asked, for at most 30 s. The error's text is what goes behind `could not fetch
  // JWT-SVID: `. Entries that want a `jti` get a new token each time.
  virtual runtime::Task<runtime::Result<SharedJwtSvid>> fetch(SharedEntry entry, std::vector<std::string> audience,
                                                              runtime::Deadline deadline, runtime::StopToken stop) = 0;
};

}  // namespace steeple::agent
