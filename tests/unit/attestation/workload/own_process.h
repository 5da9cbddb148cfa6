// The test's own process as a peer: a socket whose both ends it holds.
#pragma once

#include <sys/socket.h>

#include <catch2/catch.hpp>
#include <stdexcept>

#include "runtime/os/peer.h"

inline steeple::runtime::Peer own_peer() {
  int ends[2];
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
  steeple::runtime::FileDescriptor near(ends[0]);
  steeple::runtime::FileDescriptor far(ends[1]);
  auto peer = steeple::runtime::Peer::of_socket(near.get());
  REQUIRE(peer);
  return std::move(*peer);
}
