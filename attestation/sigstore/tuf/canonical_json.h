// Canonical JSON (OLPC's, as TUF 1.0 signs it): members sorted by their bytes, no blanks, nothing escaped but quotes
// and backslashes, whole numbers only. Not for headers, for simdjson's sake.
#pragma once

#include <simdjson.h>

#include <string>

#include "runtime/core/result.h"

namespace steeple::attestation {

// kMalformed: a number that is none of JavaScript's exact integers, or a member that is there twice.
runtime::Result<std::string> canonical_json(simdjson::dom::element value);

}  // namespace steeple::attestation
