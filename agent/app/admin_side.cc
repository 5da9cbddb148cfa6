#include "agent/app/admin_side.h"

namespace steeple::agent {

using runtime::Result;
using runtime::Task;

AdminSide::AdminSide(const runtime::Clock& clock, std::function<DebugFacts()> facts, const runtime::Logger& log)
    : logger_(log), debug_(clock, std::move(facts), log), clock_(clock), log_(log) {
  logger_.add_to(table_);
  debug_.add_to(table_);
}

void AdminSide::delegate_identities(CallerAttestor& callers, IdentitySource& identities, JwtSource& tokens,
                                    BundleFeed& bundles, std::vector<std::string> delegates,
                                    DelegatedIdentityService::FirstUpdate first_update) {
  delegated_.emplace(callers, identities, tokens, bundles, std::move(delegates), clock_, log_);
  delegated_->on_first_update(std::move(first_update));
  delegated_->add_to(table_);
}

Result<void> AdminSide::start(runtime::Loop& loop, SocketEngine& engine, const std::string& socket_path,
                              const runtime::Logger& log, runtime::grpc::CallObserver* observer) {
  STEEPLE_CHECK(prepare_socket_directory(socket_path, "admin UDS", log));
  log.info("Logger service configured", {{"launch_log_level", to_string(log.launch_level())}});
  Endpoint::Options options;
  options.socket_path = socket_path;
  options.mode = kAdminSocketMode;
  options.admin = true;
  options.server.observer = observer;
  STEEPLE_TRY(endpoint, Endpoint::start(loop, engine, table_, std::move(options), log));
  endpoint_ = std::move(endpoint);
  return {};
}

Task<void> AdminSide::stop() {
  if (endpoint_) co_await endpoint_->stop();
}

}  // namespace steeple::agent
