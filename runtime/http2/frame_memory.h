// The allocator of all nghttp2 sessions of a loop thread. Of the 26.8 KB that a session holds, 16 KB are one buffer
// that is empty between two calls of nghttp2_session_mem_send() as long as each frame is copied out at once, which
// Session does; so all server sessions of a thread are handed the same block for it (runtime-choice 4). Not clients:
// theirs holds the connection preface from the making of the session until the first call. Only the buffer made
// together with the session is shared, never the further ones of a header block above one frame. A second block stands
// for the encoder's table of the servers, which have none: nothing is ever written to it. This leans on nghttp2's inner
// workings: each trick is tried out on probe sessions first, and left off when what they do is not exactly what is
// expected.
#pragma once

#include <cstddef>

namespace steeple::runtime::http2 {

class FrameMemory {
 public:
  // An nghttp2_mem* (a type that cannot be declared ahead of its header).
  static void* allocator();

  // Whether this nghttp2 was found to allow sharing: of the frame buffer; of the unused encoder table.
  static bool is_shared();
  static bool is_encoder_table_shared();

  // Around nghttp2_session_*_new3(): only then, and only to a server, are the shared blocks handed out.
  class MakingSession {
   public:
    explicit MakingSession(bool server);
    ~MakingSession();
    MakingSession(const MakingSession&) = delete;
    MakingSession& operator=(const MakingSession&) = delete;
  };

  // For tests: switches sharing off (or back to what the probe found) for sessions made from now on by this thread.
  static void set_sharing_allowed(bool allowed);
};

}  // namespace steeple::runtime::http2
