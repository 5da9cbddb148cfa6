// What `rebootstrap_mode` may be: what the agent does when its bundle and the server no longer agree (server-sync 1.7).
#pragma once

namespace steeple::agent {

enum class RebootstrapMode { kNever, kAuto, kAlways };

}  // namespace steeple::agent
