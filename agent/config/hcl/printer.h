// Writes a part of a document as HCL1 text again, for a plugin that parses its configuration itself (config-cli 1.7).
// What is read from the text is what the document says; comments are gone. A JSON document comes out as HCL. Pure.
#pragma once

#include <string>

#include "agent/config/hcl/view.h"

namespace steeple::agent::hcl {

std::string print(const View& view);

}  // namespace steeple::agent::hcl
