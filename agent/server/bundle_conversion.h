// The server's bundle message to a Bundle (server-sync 3.5). WIT authorities are passed over.
#pragma once

#include "agent/spiffe/bundle.h"

namespace spire::api::types {
class Bundle;
}

namespace steeple::agent {

runtime::Result<Bundle> bundle_from_proto(const spire::api::types::Bundle& message);

}  // namespace steeple::agent
