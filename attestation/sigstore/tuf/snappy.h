// Snappy's block format, the reading half (google/snappy, format_description.txt): what LevelDB compresses with. Pure.
#pragma once

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::attestation {

// kLimit above `size_max` bytes of output; kMalformed.
runtime::Result<runtime::Bytes> snappy_decompress(runtime::BytesView block, std::size_t size_max);

}  // namespace steeple::attestation
