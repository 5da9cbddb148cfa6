// Bundles between SPIFFE's form (agent/spiffe/bundle.h) and the API's message. Pure.
#pragma once

#include "agent/spiffe/bundle.h"

namespace spire::api::types {
class Bundle;
}

namespace steeple::devserver {

// Refuses what cannot be parsed, and a trust domain that is none.
runtime::Result<agent::Bundle> from_message(const spire::api::types::Bundle& message);
// Without what a document does not carry: expiry and taint.
spire::api::types::Bundle to_message(const agent::Bundle& bundle);

}  // namespace steeple::devserver
