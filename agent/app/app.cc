#include "agent/app/app.h"

#include <signal.h>
#include <unistd.h>

#include "agent/app/admin_side.h"
#include "agent/app/catalog.h"
#include "agent/app/life.h"
#include "agent/app/part_options.h"
#include "agent/app/telemetry_side.h"
#include "agent/cache/bundle_feed.h"
#include "agent/endpoints/endpoints.h"
#include "agent/health/health.h"
#include "agent/health/health_listener.h"
#include "agent/proto/descriptors.h"
#include "agent/sds/sds_api.h"
#include "agent/sync/jwt_fetcher.h"
#include "agent/workload_api/jwt_api.h"
#include "agent/workload_api/workload_api.h"
#include "runtime/grpc/reflection.h"
#include "runtime/loop/signals.h"
#include "runtime/os/descriptor_table.h"
#include "runtime/os/heap.h"
#include "runtime/os/umask.h"
#include "runtime/task/blocking.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using runtime::StopReason;
using runtime::Task;

namespace {

constexpr unsigned kWorkerThreads = 2;
constexpr std::size_t kWorkerQueueMax = 4096;

// Every part of a running agent, built in this order and destroyed in the reverse one.
class App {
 public:
  explicit App(AgentConfig config) : config_(std::move(config)), log_(config_.log) {}

  // Builds everything up to the bound socket.
  Result<void> build();
  // Runs the loop until the agent has stopped.
  Result<void> serve();
  // After build() failed: ends what it had started.
  void give_up();
  // The last step, whatever came before.
  void unload_plugins() {
    if (catalog_) runtime::run_until_done(loop_, catalog_->unload());
  }
  bool asked_to_stop() const { return stop_.stop_requested(); }

 private:
  Result<void> prepare_process();
  Result<void> choose_engine();
  void build_server_side();
  void build_public_services();
  Result<void> bind_sockets();
  Result<void> bind_public_socket();
  Result<void> bind_admin_socket();
  void build_workload_api();
  SyncerEvents syncer_events();
  void build_health_listener(const HealthProbe& probe);
  PrometheusTlsSources metrics_tls_sources();
  void on_ready();
  void on_signal(int number);
  void start_reconfiguring();
  Task<void> reconfigure();
  Task<void> live(Result<void>* ended);
  Task<void> close();

  AgentConfig config_;
  runtime::Logger log_;
  runtime::SystemClock clock_;
  runtime::Loop loop_;
  runtime::StopSource stop_;
  std::unique_ptr<runtime::Signals> signals_;
  std::optional<TelemetrySide> telemetry_;
  std::unique_ptr<SocketEngine> engine_;
  std::optional<runtime::WorkerPool> workers_;  // after the probe, which forks
  std::optional<runtime::HttpClient> http_;
  runtime::AccountNames names_{clock_};
  std::optional<Catalog> catalog_;
  std::unique_ptr<Storage> storage_;
  std::optional<ServerLinks> links_;
  std::optional<ConfiguredBundleSource> bundle_source_;
  std::optional<NodeIdentity> identity_;
  std::optional<GrpcServerClient> server_;
  std::optional<JwtFetcher> tokens_;
  BundleFeed bundle_feed_{loop_};
  std::optional<Syncer> syncer_;
  std::optional<attestation::WorkloadEngine> attestors_;
  std::optional<CallerAttestor> callers_;
  RateLimiter limits_;
  std::optional<WorkloadApi> workload_api_;
  std::optional<JwtApi> jwt_api_;
  std::optional<SdsApi> sds_;
  std::optional<HealthService> health_;
  std::optional<HealthListener> health_listener_;
  runtime::grpc::ServiceTable table_;
  runtime::grpc::ReflectionService reflection_{table_, public_descriptors()};
  std::unique_ptr<Endpoint> endpoint_;
  std::optional<AdminSide> admin_;
  std::optional<Life> life_;
  std::optional<rlim_t> open_files_soft_;  // as it was before it was raised
  runtime::TaskGroup reconfiguring_{loop_};
  bool reconfigure_again_ = false;
  bool ready_ = false;
};

Result<void> App::prepare_process() {
  runtime::limit_heap_arenas();
  open_files_soft_ = runtime::raise_descriptor_limit();  // each open stream holds two
  runtime::reserve_descriptors(runtime::kDescriptorsReserved);
  if (!config_.socket_path.empty()) {
    STEEPLE_CHECK(prepare_socket_directory(config_.socket_path, "spire agent UDS", log_));
  }
  const runtime::UmaskChange mask = runtime::raise_umask();
  if (mask.changed()) {
    log_.warning(fmt::format("Current umask {:04o} is too permissive; setting umask {:04o}", mask.before, mask.now));
  }
  STEEPLE_TRY(signals, runtime::Signals::install(loop_, [this](int number) { on_signal(number); }));
  signals_ = std::move(signals);
  return {};
}

Result<void> App::choose_engine() {
  STEEPLE_TRY(choice, runtime::choose_backend(backend_policy(config_)));
  log_.info("Socket engine chosen", {{"io_backend", runtime::to_string(choice.backend)}, {"reason", choice.reason}});
  telemetry_->engine_chosen(runtime::to_string(choice.backend));
  STEEPLE_TRY(engine, SocketEngine::create(loop_, choice.backend));
  engine_ = std::move(engine);
  return {};
}

SyncerEvents App::syncer_events() {
  SyncerEvents events;
  events.own_bundle_changed = [this](const SharedBundle& bundle) { identity_->set_bundle(bundle); };
  events.bundles_changed = [this](const BundleSet& bundles) { bundle_feed_.set(bundles); };
  events.authorities_tainted = [this](const runtime::Certificates& tainted) { identity_->note_tainted(tainted); };
  events.jwt_authorities_tainted = [this](const std::vector<std::string>& key_ids) {
    const runtime::SteadyTime began = clock_.now();
    const std::size_t dropped = tokens_->drop_signed_by(key_ids);
    telemetry_->jwt_svids_tainted(dropped, clock_.now() - began);
  };
  events.pass_succeeded = [this] {
    identity_->note_sync_success();
    telemetry_->synchronised(*syncer_);
  };
  telemetry_->add_to(events);
  return events;
}

void App::build_server_side() {
  const ServerAddress address{config_.server_address, static_cast<std::uint16_t>(config_.server_port)};
  links_.emplace(loop_, clock_, address, config_.trust_domain);
  bundle_source_.emplace(*http_, bundle_source_options(config_));
  NodeIdentityOptions identity = identity_options(config_);
  identity.events = telemetry_->identity_events();
  identity_.emplace(loop_, clock_, *storage_, telemetry_->metered(catalog_->keys()), catalog_->node_attestor(),
                    *bundle_source_, links_->attestation_channels(log_.with_subsystem("attestor")), std::move(identity),
                    log_);
  server_.emplace(loop_, links_->agent_channels(identity_->identity_provider(), identity_->authorities_provider()),
                  server_client_options(config_), log_.with_subsystem("manager"));
  tokens_.emplace(loop_, clock_, *server_, jwt_fetcher_options(config_), log_);
  syncer_.emplace(loop_, clock_, *workers_, *server_, syncer_options(config_), syncer_events(), log_);
  telemetry_->collect_from(*syncer_, *tokens_, *identity_);
  life_.emplace(
      loop_, *identity_, *server_, *syncer_, catalog_->keys().survives_restart(), [this] { on_ready(); }, log_);
}

void App::build_workload_api() {
  limits_ = RateLimiter(clock_, call_limits(config_), log_);
  limits_.on_refused([this](std::string_view method) { telemetry_->rate_limit_exceeded(method); });
  WorkloadApi::Options options = workload_api_options(config_);
  options.first_svid_seen = telemetry_->first_svid_seen();
  workload_api_.emplace(*callers_, *syncer_, limits_, clock_, std::move(options), log_);
  jwt_api_.emplace(*callers_, *syncer_, *tokens_, limits_, clock_, jwt_api_options(config_), log_);
}

void App::build_public_services() {
  attestors_.emplace(loop_, catalog_->take_workload_attestors(), log_);
  catalog_->replace_in(*attestors_, {loop_, *workers_, names_, {}});
  attestors_->on_events(telemetry_->attestation_events());
  telemetry_->collect_from(*attestors_);
  callers_.emplace(*attestors_);
  build_workload_api();
  HealthProbe probe;
  if (!config_.disable_workload_api) {
    workload_api_->add_to(table_);
    jwt_api_->add_to(table_);
    probe = [this](runtime::Deadline deadline, runtime::StopToken stop) {
      return workload_api_->probe(deadline, stop);
    };
  }
  if (!config_.disable_sds_api) {
    sds_.emplace(loop_, *callers_, *syncer_, limits_, sds_options(config_), log_);
    sds_->add_to(table_);
  }
  build_health_listener(probe);
  health_.emplace(loop_, std::move(probe), log_);
  health_->add_to(table_);
  reflection_.add_to(table_);
}

Result<void> App::bind_public_socket() {
  if (config_.socket_path.empty()) {
    log_.info("Skipping agent APIs because public endpoint is disabled", {{"apis", api_names(true, true)}});
    return {};
  }
  Endpoint::Options options;
  options.socket_path = config_.socket_path;
  options.server.observer = telemetry_->calls();
  options.apis = api_names(!config_.disable_workload_api, !config_.disable_sds_api);
  STEEPLE_TRY(endpoint, Endpoint::start(loop_, *engine_, table_, std::move(options), log_));
  endpoint_ = std::move(endpoint);
  return {};
}

Result<void> App::bind_admin_socket() {
  if (config_.admin_socket_path.empty()) return {};
  auto facts = [this] {
    DebugFacts known;
    if (identity_->svid()) known.svid = identity_->svid()->chain();
    if (identity_->bundle()) known.authorities = identity_->bundle()->certificates();
    known.x509_svids = syncer_->cache().counts().svids;
    known.jwt_svids = tokens_->cached();
    known.last_sync = syncer_->last_sync();
    return known;
  };
  admin_.emplace(clock_, std::move(facts), log_);
  admin_->delegate_identities(*callers_, *syncer_, *tokens_, bundle_feed_, config_.authorized_delegates,
                              [this](std::chrono::nanoseconds waited) { telemetry_->delegated_first_update(waited); });
  return admin_->start(loop_, *engine_, config_.admin_socket_path, log_, telemetry_->calls());
}

Result<void> App::bind_sockets() {
  Result<void> bound = bind_public_socket();
  if (bound) bound = bind_admin_socket();
  if (!bound) log_.with_subsystem("manager").error("Cache manager crashed", {{"error", bound.error()}});
  return bound;
}

Result<void> App::build() {
  STEEPLE_CHECK(prepare_process());
  log_.info("Starting agent", {{"data_dir", config_.data_dir}, {"version", STEEPLE_VERSION}});
  STEEPLE_TRY(tls, prometheus_tls(config_, metrics_tls_sources()));
  telemetry_.emplace(loop_, clock_, config_, std::move(tls), log_);
  STEEPLE_CHECK(choose_engine());
  workers_.emplace(loop_, kWorkerThreads, kWorkerQueueMax);
  http_.emplace(loop_, *workers_);
  const ExternalPluginParts external{telemetry_->metrics(), open_files_soft_};
  STEEPLE_TRY(catalog, runtime::run_until_done(loop_, Catalog::load(config_, {loop_, *workers_, names_, {}}, external,
                                                                    stop_.token(), log_)));
  catalog_.emplace(std::move(catalog));
  STEEPLE_TRY(storage, Storage::open(config_.data_dir, log_));
  storage_ = std::move(storage);
  build_server_side();
  build_public_services();
  return bind_sockets();
}

void App::build_health_listener(const HealthProbe& probe) {
  if (!config_.health_checks.listener_enabled) return;
  health_listener_.emplace(loop_, clock_, health_listener_options(config_), probe, log_);
}

// The parts come later than the listener that asks for them.
PrometheusTlsSources App::metrics_tls_sources() {
  PrometheusTlsSources sources;
  sources.svid = [this] { return identity_ ? identity_->identity_provider()() : std::nullopt; };
  sources.authorities = [this](const TrustDomain& trust_domain) {
    SharedBundle bundle = syncer_ ? syncer_->cache().bundles().find(trust_domain) : nullptr;
    if (!bundle && identity_ && trust_domain == config_.trust_domain) bundle = identity_->bundle();
    return bundle ? bundle->certificates() : runtime::Certificates();
  };
  sources.now = [this] { return clock_.wall_now(); };
  return sources;
}

void App::on_ready() {
  ready_ = true;
  if (health_listener_) health_listener_->agent_started();
}

void App::on_signal(int number) {
  switch (number) {
    case SIGINT:
    case SIGTERM:
      stop_.request_stop(StopReason::kShutdown);
      break;
    case SIGUSR1:
      telemetry_->dump();
      if (ready_) start_reconfiguring();
      break;
    case SIGUSR2:
      if (!config_.logs_to_file || !ready_) break;
      if (auto reopened = log_.reopen(); !reopened) {
        log_.error("failed to rotate log after signal", {{"error", reopened.error()}});
      }
      break;
    default:
      break;
  }
}

void App::start_reconfiguring() {
  reconfigure_again_ = true;
  if (reconfiguring_.size() == 0) reconfiguring_.spawn(reconfigure());
}

Task<void> App::reconfigure() {
  while (std::exchange(reconfigure_again_, false)) co_await catalog_->reconfigure(reconfiguring_.token());
}

Task<void> App::live(Result<void>* ended) {
  telemetry_->start();
  if (health_listener_) health_listener_->start();
  tokens_->start();
  *ended = co_await life_->run(stop_.token());
  if (stop_.stop_requested()) *ended = Result<void>();
  co_await close();
  if (*ended && ready_) log_.with_subsystem("manager").info("Cache manager stopped");
  loop_.stop();
}

Task<void> App::close() {
  if (telemetry_) co_await telemetry_->stop();
  if (health_listener_) co_await health_listener_->stop();
  if (endpoint_) co_await endpoint_->stop();
  if (admin_) co_await admin_->stop();
  reconfiguring_.close(StopReason::kShutdown);
  co_await reconfiguring_.join();
  if (attestors_) co_await attestors_->close();
  if (tokens_) co_await tokens_->close(StopReason::kShutdown);
  if (server_) co_await server_->close(StopReason::kShutdown);
}

void App::give_up() {
  if (endpoint_) runtime::run_until_done(loop_, close());
}

Result<void> App::serve() {
  Result<void> ended;
  runtime::TaskGroup main_task(loop_);
  main_task.spawn(live(&ended));
  while (main_task.size() != 0) loop_.run();
  return ended;
}

}  // namespace

int run_agent(AgentConfig config) {
  const runtime::Logger log = config.log;
  App app(std::move(config));
  Result<void> built = app.build();
  if (!built) app.give_up();
  Result<void> ended = built ? app.serve() : std::move(built);
  app.unload_plugins();
  if (!ended && !app.asked_to_stop()) {
    log.error("Agent crashed", {{"error", ended.error()}});
    return 1;
  }
  log.info("Agent stopped gracefully");
  return 0;
}

}  // namespace steeple::agent
