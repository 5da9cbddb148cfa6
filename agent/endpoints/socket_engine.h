// The engine behind the agent's Unix sockets, chosen at run time: io_uring or epoll. One per process, owned by the
// composition root, outlives every Endpoint. I/O thread only.
#pragma once

#include <memory>
#include <variant>

#include "runtime/engine/probe.h"
#include "runtime/loop/loop.h"

namespace steeple::runtime {
class UringEngine;
class EpollEngine;
}  // namespace steeple::runtime

namespace steeple::agent {

class SocketEngine {
 public:
  static runtime::Result<std::unique_ptr<SocketEngine>> create(runtime::Loop& loop, runtime::Backend backend);
  ~SocketEngine();
  SocketEngine(const SocketEngine&) = delete;
  SocketEngine& operator=(const SocketEngine&) = delete;

  runtime::Backend backend() const;

 private:
  friend class Endpoint;
  using Engine = std::variant<std::unique_ptr<runtime::UringEngine>, std::unique_ptr<runtime::EpollEngine>>;
  explicit SocketEngine(Engine engine);
  Engine engine_;
};

}  // namespace steeple::agent
