// The running development server: builds all parts from a checked configuration, serves until SIGINT or SIGTERM,
// drains.
#pragma once

#include "deploy/devserver/config/config.h"

namespace steeple::devserver {

// The exit status of `run`: 0 after a graceful stop, 1 after anything else.
int run_server(DevServerConfig config);

}  // namespace steeple::devserver
