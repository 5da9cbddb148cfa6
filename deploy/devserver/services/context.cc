#include "deploy/devserver/services/context.h"

#include "deploy/devserver/services/caller_counts.h"

namespace steeple::devserver {

using runtime::grpc::Status;

void RpcTable::add(std::span<const Rpc> rpcs) {
  for (const Rpc& rpc : rpcs) {
    auto& guarded = guarded_.emplace_back(new Guarded{context_, rpc});
    table_.add(guarded.get(), {{rpc.path, rpc.kind, &RpcTable::guard}});
  }
}

runtime::Task<Status> RpcTable::guard(void* guarded, runtime::grpc::ServerCall& call) {
  auto& [context, rpc] = *static_cast<Guarded*>(guarded);
  runtime::Result<Caller> caller = identify(call.peer());
  if (!caller) {
    co_return Status(runtime::grpc::StatusCode::kUnauthenticated,
                     "invalid client certificate: " + caller.error().message());
  }
  if (!caller->spiffe_id.empty()) context.callers->called(caller->spiffe_id, rpc.path);
  Status allowed = context.access.decide(*caller, rpc.allowed, call.path());
  if (!allowed.is_ok()) {
    context.log.warning("Call refused",
                        {{"method", call.path()}, {"caller_id", caller->spiffe_id}, {"error", allowed.message()}});
    co_return allowed;
  }
  Status status = co_await rpc.handler(context, call, *caller);
  if (!status.is_ok()) {
    context.log.debug("Call failed", {{"method", rpc.path}, {"status", status.text()}});
  }
  co_return status;
}

}  // namespace steeple::devserver
