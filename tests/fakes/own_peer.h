// The test's own process as a peer: a socket whose both ends it holds.
#pragma once

#include <sys/socket.h>

#include "runtime/core/assert.h"
#include "runtime/os/peer.h"

namespace steeple::tests {

inline runtime::Peer own_peer() {
  int ends[2];
  STEEPLE_ASSERT(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  runtime::FileDescriptor near(ends[0]);
  runtime::FileDescriptor far(ends[1]);
  auto peer = runtime::Peer::of_socket(near.get());
  STEEPLE_ASSERT(peer);
  return std::move(*peer);
}

}  // namespace steeple::tests
