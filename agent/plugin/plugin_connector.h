// How the host reaches a plugin: by the address of its handshake, and only while its process runs, so that nobody who
// takes the address later is spoken to.
#pragma once

#include <functional>
#include <memory>

#include "agent/plugin/handshake.h"
#include "runtime/engine/byte_stream.h"
#include "runtime/loop/loop.h"

namespace steeple::agent {

// `running` is asked before and after each connection is made; it outlives the connector. TCP addresses are numeric, or
// "localhost".
std::unique_ptr<runtime::Connector> make_plugin_connector(runtime::Loop& loop, PluginAddress address,
                                                          std::function<bool()> running);

}  // namespace steeple::agent
