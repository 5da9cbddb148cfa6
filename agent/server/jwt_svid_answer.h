// The answer to NewJWTSVID, checked as SPIRE's agent checks it and with its texts (server-sync 3.7). Inside
// agent/server.
#pragma once

#include "agent/spiffe/jwt_svid.h"
#include "runtime/core/bytes.h"

namespace steeple::agent {

runtime::Result<SharedJwtSvid> read_jwt_svid_answer(runtime::BytesView answer);

}  // namespace steeple::agent
