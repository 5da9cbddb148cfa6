#include "agent/app/app.h"

#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include "agent/app/admin_side.h"
#include "agent/app/catalog.h"
#include "agent/app/life.h"
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
  void log_stopped() const {
    if (catalog_) catalog_->log_unloading();
  }

 private:
  Result<void> prepare_process();
  Result<void> choose_engine();
  void build_server_side();
  void build_public_services();
  Result<void> bind_sockets();
  Result<void> bind_public_socket();
  Result<void> bind_admin_socket();
  NodeIdentityOptions identity_options();
  SyncerOptions syncer_options() const;
  JwtFetcherOptions jwt_options() const;
  void build_workload_api();
  SyncerEvents syncer_events();
  BundleSourceOptions bundle_options() const;
  void build_health_listener(const HealthProbe& probe);
  PrometheusTlsSources metrics_tls_sources();
  void on_ready();
  void on_signal(int number);
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
  bool ready_ = false;
};

// As many descriptors as the hard limit allows: each open stream holds two.
void raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
}

runtime::BackendPolicy policy_of(IoBackend backend) {
  switch (backend) {
    case IoBackend::kAuto:
      return runtime::BackendPolicy::kAuto;
    case IoBackend::kIoUring:
      return runtime::BackendPolicy::kIoUring;
    case IoBackend::kEpoll:
      return runtime::BackendPolicy::kEpoll;
  }
  return runtime::BackendPolicy::kAuto;
}

runtime::KeyType key_type_of(WorkloadKeyType type) {
  switch (type) {
    case WorkloadKeyType::kEcP256:
      return runtime::KeyType::kEcP256;
    case WorkloadKeyType::kEcP384:
      return runtime::KeyType::kEcP384;
    case WorkloadKeyType::kRsa2048:
      return runtime::KeyType::kRsa2048;
  }
  return runtime::KeyType::kEcP256;
}

Result<void> App::prepare_process() {
  runtime::limit_heap_arenas();
  raise_descriptor_limit();
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
  STEEPLE_TRY(choice, runtime::choose_backend(policy_of(config_.io_backend)));
  log_.info("Socket engine chosen", {{"io_backend", runtime::to_string(choice.backend)}, {"reason", choice.reason}});
  telemetry_->engine_chosen(runtime::to_string(choice.backend));
  STEEPLE_TRY(engine, SocketEngine::create(loop_, choice.backend));
  engine_ = std::move(engine);
  return {};
}

BundleSourceOptions App::bundle_options() const {
  BundleSourceOptions options;
  options.trust_domain = config_.trust_domain;
  options.server_address = config_.server_address;
  options.server_port = static_cast<std::uint16_t>(config_.server_port);
  options.trust_bundle_path = config_.bootstrap.path;
  options.trust_bundle_url = config_.bootstrap.url;
  options.trust_bundle_unix_socket = config_.bootstrap.unix_socket;
  options.trust_bundle_format = config_.bootstrap.format;
  options.insecure_bootstrap = config_.bootstrap.insecure;
  return options;
}

NodeIdentityOptions App::identity_options() {
  NodeIdentityOptions options;
  options.trust_domain = config_.trust_domain;
  options.rebootstrap_mode = config_.rebootstrap_mode;
  options.rebootstrap_delay = config_.rebootstrap_delay;
  options.availability_target = config_.availability_target;
  options.events = telemetry_->identity_events();
  return options;
}

SyncerOptions App::syncer_options() const {
  SyncerOptions options;
  options.trust_domain = config_.trust_domain;
  options.agent_version = STEEPLE_VERSION;
  if (config_.sync_interval.count() > 0) options.sync_interval = config_.sync_interval;
  options.availability_target = config_.availability_target;
  options.workload_key_type = key_type_of(config_.workload_key_type);
  options.x509_svid_cache_max_size = static_cast<std::size_t>(config_.x509_svid_cache_max_size);
  return options;
}

JwtFetcherOptions App::jwt_options() const {
  JwtFetcherOptions options;
  options.cache_max_size = static_cast<std::size_t>(config_.jwt_svid_cache_max_size);
  options.cache_hit_timeout = config_.jwt_svid_cache_hit_timeout;
  return options;
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
  bundle_source_.emplace(*http_, bundle_options());
  identity_.emplace(loop_, clock_, *storage_, telemetry_->metered(catalog_->keys()), catalog_->node_attestor(),
                    *bundle_source_, links_->attestation_channels(log_.with_subsystem("attestor")), identity_options(),
                    log_);
  ServerClientOptions client_options;
  client_options.use_sync_authorized_entries = config_.use_sync_authorized_entries;
  server_.emplace(loop_, links_->agent_channels(identity_->identity_provider(), identity_->authorities_provider()),
                  client_options, log_.with_subsystem("manager"));
  tokens_.emplace(loop_, clock_, *server_, jwt_options(), log_);
  syncer_.emplace(loop_, clock_, *workers_, *server_, syncer_options(), syncer_events(), log_);
  telemetry_->collect_from(*syncer_, *tokens_, *identity_);
  life_.emplace(
      loop_, *identity_, *server_, *syncer_, catalog_->keys().survives_restart(), [this] { on_ready(); }, log_);
}

void App::build_workload_api() {
  const RateLimitSettings& limits = config_.rate_limits;
  limits_ = RateLimiter(clock_,
                        {{kFetchX509SvidMethod, limits.fetch_x509_svid},
                         {kFetchJwtSvidMethod, limits.fetch_jwt_svid},
                         {kFetchX509BundlesMethod, limits.fetch_x509_bundles},
                         {kFetchJwtBundlesMethod, limits.fetch_jwt_bundles},
                         {kStreamSecretsMethod, limits.stream_secrets},
                         {kFetchSecretsMethod, limits.fetch_secrets}},
                        log_);
  limits_.on_refused([this](std::string_view method) { telemetry_->rate_limit_exceeded(method); });
  WorkloadApi::Options options;
  options.allow_unauthenticated_verifiers = config_.allow_unauthenticated_verifiers;
  options.log_selectors = config_.log_selectors;
  options.first_svid_seen = telemetry_->first_svid_seen();
  workload_api_.emplace(*callers_, *syncer_, limits_, clock_, std::move(options), log_);
  JwtApi::Options jwt;
  jwt.trust_domain = config_.trust_domain;
  jwt.allowed_foreign_claims = config_.allowed_foreign_jwt_claims;
  jwt.log_selectors = config_.log_selectors;
  jwt_api_.emplace(*callers_, *syncer_, *tokens_, limits_, clock_, std::move(jwt), log_);
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
    const SdsSettings& sds = config_.sds;
    sds_.emplace(loop_, *callers_, *syncer_, limits_,
                 SdsOptions{sds.default_svid_name, sds.default_bundle_name, sds.default_all_bundles_name,
                            sds.disable_spiffe_cert_validation},
                 log_);
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
  STEEPLE_TRY(catalog, Catalog::load(config_, {loop_, *workers_, names_, {}}, log_));
  catalog_.emplace(std::move(catalog));
  STEEPLE_TRY(storage, Storage::open(config_.data_dir, log_));
  storage_ = std::move(storage);
  build_server_side();
  build_public_services();
  return bind_sockets();
}

void App::build_health_listener(const HealthProbe& probe) {
  const HealthCheckSettings& settings = config_.health_checks;
  if (!settings.listener_enabled) return;
  HealthListenerOptions options;
  options.bind_address = settings.bind_address;
  options.bind_port = settings.bind_port;
  options.live_path = settings.live_path;
  options.ready_path = settings.ready_path;
  options.apis_enabled = !config_.socket_path.empty();
  health_listener_.emplace(loop_, clock_, std::move(options), probe, log_);
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
      if (ready_) catalog_->reconfigure();
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
  app.log_stopped();
  if (!ended) {
    log.error("Agent crashed", {{"error", ended.error()}});
    return 1;
  }
  log.info("Agent stopped gracefully");
  return 0;
}

}  // namespace steeple::agent
