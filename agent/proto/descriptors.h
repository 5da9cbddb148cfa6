// The protobuf files of the services on the public socket and all they import, for reflection. Generated from the
// .proto files beside this one; static storage.
#pragma once

#include "runtime/core/bytes.h"

namespace steeple::agent {

// An encoded google.protobuf.FileDescriptorSet.
runtime::BytesView public_descriptors();

}  // namespace steeple::agent
