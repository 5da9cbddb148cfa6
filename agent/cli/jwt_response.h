// What `api fetch jwt` and `api validate jwt` print (config-cli 4.4, 4.5). Errors: a message that cannot be parsed.
#pragma once

#include <string>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::agent::cli {

// Both messages of the fetch. Bundles in order of trust domain.
runtime::Result<std::string> pretty_jwt_response(runtime::BytesView svids, runtime::BytesView bundles);
runtime::Result<std::string> json_jwt_response(runtime::BytesView svids, runtime::BytesView bundles);

runtime::Result<std::string> pretty_validation(runtime::BytesView message);
runtime::Result<std::string> json_validation(runtime::BytesView message);

}  // namespace steeple::agent::cli
