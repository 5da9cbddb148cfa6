#include "deploy/devserver/server/server.h"

#include <fmt/format.h>
#include <signal.h>
#include <stdio.h>

#include "agent/telemetry/telemetry.h"
#include "attestation/node/x509pop/verifier.h"
#include "deploy/devserver/attestors/join_token.h"
#include "deploy/devserver/attestors/x509pop.h"
#include "deploy/devserver/federation/bundle_endpoint.h"
#include "deploy/devserver/federation/bundle_messages.h"
#include "deploy/devserver/federation/federation_manager.h"
#include "deploy/devserver/server/kubernetes.h"
#include "deploy/devserver/server/listeners.h"
#include "deploy/devserver/server/server_svid.h"
#include "deploy/devserver/services/caller_counts.h"
#include "runtime/loop/signals.h"
#include "runtime/os/file.h"
#include "runtime/os/umask.h"
#include "runtime/task/blocking.h"
#include "runtime/task/signal.h"
#include "runtime/task/timeout.h"
#include "spire/api/types/bundle.pb.h"
#include "spire/api/types/entry.pb.h"

namespace steeple::devserver {
namespace {

using runtime::Logger;
using runtime::Result;
using runtime::StopReason;
using runtime::Task;
using std::chrono::seconds;

constexpr seconds kMaintenanceInterval{1};
constexpr seconds kPruneInterval{300};  // of expired entries, as the real server
constexpr mode_t kDataDirectoryMode = 0750;
constexpr std::size_t kSigningQueueMax = 10'000;

// SPIRE Server's names of the calls that agents make: spire_server_rpc_SERVICE_METHOD.
agent::TelemetryOptions telemetry_options(const DevServerConfig& config) {
  agent::TelemetryOptions options;
  options.metrics.prefix = "spire_server";
  options.trust_domain = config.settings.trust_domain.name();
  options.version = STEEPLE_VERSION;
  if (!config.prometheus) return options;
  options.prometheus = true;
  options.prometheus_host = config.prometheus->host;
  options.prometheus_port = config.prometheus->port;
  return options;
}

// Everything that lives as long as the server. Members are built in this order and go in the opposite one.
struct Parts {
  explicit Parts(DevServerConfig server_config, Logger logger)
      : config(std::move(server_config)),
        log(std::move(logger)),
        workers(loop, 1, kSigningQueueMax),
        wake(loop),
        telemetry(loop, clock, telemetry_options(config), log),
        callers(telemetry.metrics()),
        kubernetes(loop, clock, agent::process_environment(), log) {}

  DevServerConfig config;
  Logger log;
  runtime::SystemClock clock;
  runtime::Loop loop;
  runtime::WorkerPool workers;
  runtime::Signal wake;  // stop, or look at once whether the server's SVID must change
  bool stopping = false;
  agent::Telemetry telemetry;
  CallerCounts callers;
  attestation::x509pop::VerifierOptions x509pop;
  Kubernetes kubernetes;
  AttestorTable attestors;
  std::unique_ptr<Datastore> datastore;
  std::unique_ptr<Authorities> authorities;
  std::unique_ptr<ServerSvid> svid;
  std::unique_ptr<FederationManager> federation;
  std::unique_ptr<BundleEndpoint> endpoint;
  std::optional<Access> access;
  std::optional<ServerContext> context;
  std::optional<RpcTable> rpcs;
  std::unique_ptr<TcpListener> tcp;
  std::unique_ptr<PrivateListener> local;
  std::unique_ptr<runtime::Signals> signals;
};

Result<Logger> make_logger(const DevServerConfig& config) {
  if (config.log_file.empty()) return Logger(runtime::make_stdout_sink(), config.log_level, config.log_format);
  STEEPLE_TRY(sink, runtime::open_file_sink(config.log_file));
  return Logger(std::move(sink), config.log_level, config.log_format);
}

Result<void> load_attestors(Parts& parts) {
  parts.attestors.emplace("join_token", [] { return make_join_token_attestor(); });
  STEEPLE_CHECK(parts.kubernetes.add_attestors(parts.config, parts.attestors));
  if (!parts.config.x509pop) return {};
  const X509popConfig& config = *parts.config.x509pop;
  for (const std::string& path : config.ca_bundle_paths) {
    STEEPLE_TRY(pem, runtime::read_file(path, kConfigBytesMax));
    STEEPLE_TRY(roots,
                runtime::with_context(runtime::parse_certificates_pem(pem), "unable to load trust bundle " + path));
    for (const auto& root : roots) parts.x509pop.roots.push_back(runtime::to_bytes(root.der()));
  }
  parts.x509pop.intermediates_max = static_cast<std::size_t>(config.intermediates_max);
  parts.x509pop.rsa_key_bits_max = static_cast<std::size_t>(config.rsa_key_bits_max);
  parts.attestors.emplace("x509pop", [&parts] {
    return make_x509pop_attestor(parts.x509pop, parts.config.settings.trust_domain.name(), parts.clock);
  });
  return {};
}

Result<void> open_state(Parts& parts) {
  const DevServerConfig& config = parts.config;
  STEEPLE_CHECK(runtime::make_directories(config.data_dir, kDataDirectoryMode));
  STEEPLE_TRY(datastore, Datastore::open(config.database_path));
  parts.datastore = std::move(datastore);
  STEEPLE_TRY(keys, KeyStore::open(config.keys_path));
  STEEPLE_TRY(authorities,
              Authorities::open(*parts.datastore, std::move(keys), parts.clock, config.settings.trust_domain,
                                config.ca_ttl, parts.log.with_subsystem("ca_manager"), config.ca_subject));
  parts.authorities = std::move(authorities);
  STEEPLE_TRY(svid, ServerSvid::make(*parts.authorities, parts.clock, config.settings.trust_domain,
                                     config.settings.x509_svid_ttl));
  parts.svid = std::move(svid);
  auto bundle = [&known = *parts.authorities] {
    std::string pem;
    for (const runtime::Certificate& authority : known.x509_certificates()) pem += runtime::to_pem(authority);
    return pem;
  };
  return parts.kubernetes.add_notifiers(config, bundle, parts.authorities->sequence_number());
}

void add_services(Parts& parts) {
  const ServerSettings& settings = parts.config.settings;
  parts.access.emplace(*parts.datastore, parts.clock);
  runtime::Signal& wake = parts.wake;
  parts.context.emplace(ServerContext{settings, parts.clock, *parts.datastore, *parts.authorities, *parts.access,
                                      parts.attestors, parts.workers, parts.log.with_subsystem("api"),
                                      [&wake] { wake.notify(); }});
  parts.federation = std::make_unique<FederationManager>(
      parts.loop, FederationManager::Options{parts.config.federation.federates_with, parts.config.federation.hint_min},
      *parts.datastore, *parts.authorities, settings.trust_domain, parts.clock,
      parts.log.with_subsystem("bundle_client"));
  parts.context->federation = parts.federation.get();
  parts.context->callers = &parts.callers;
  parts.rpcs.emplace(*parts.context);
  add_agent_service(*parts.rpcs);
  add_entry_service(*parts.rpcs, settings);
  add_svid_service(*parts.rpcs);
  add_bundle_service(*parts.rpcs);
  add_local_authority_service(*parts.rpcs);
  add_trust_domain_service(*parts.rpcs);
  add_health_service(*parts.rpcs);
}

Result<void> make_endpoint(Parts& parts) {
  if (!parts.config.federation.endpoint) return {};
  BundleEndpoint::Sources sources;
  sources.bundle = [&parts] { return from_message(own_bundle(*parts.context)); };
  sources.svid = [&parts] { return std::optional(parts.svid->identity()); };
  STEEPLE_TRY(endpoint, BundleEndpoint::make(parts.loop, *parts.config.federation.endpoint, std::move(sources),
                                             parts.log.with_subsystem("bundle_endpoint")));
  parts.endpoint = std::move(endpoint);
  return {};
}

Result<void> bind(Parts& parts) {
  runtime::TlsServerContext::Options options;
  options.identity = [&parts] { return std::optional(parts.svid->identity()); };
  options.verifier = [&parts](std::span<const runtime::Bytes> chain) {
    return verify_client(*parts.authorities, parts.config.settings.trust_domain, chain, parts.clock.wall_now());
  };
  STEEPLE_TRY(tls, runtime::TlsServerContext::make(std::move(options)));
  const DevServerConfig& config = parts.config;
  Logger log = parts.log.with_subsystem("endpoints");
  STEEPLE_TRY(tcp, TcpListener::bind(parts.loop, {config.bind_address, config.bind_port}, std::move(tls),
                                     parts.rpcs->table(), {config.connection_age_max, parts.telemetry.calls()}, log));
  parts.tcp = std::move(tcp);
  STEEPLE_TRY(local, PrivateListener::bind(parts.loop, config.socket_path, parts.rpcs->table(), log));
  parts.local = std::move(local);
  log.info("Starting Server APIs", {{"address", parts.tcp->address()}, {"network", "tcp"}});
  log.info("Starting Server APIs", {{"address", config.socket_path}, {"network", "unix"}});
  return {};
}

// Expired entries are already invisible to agents; this takes them off the disk.
Result<void> prune_entries(Parts& parts) {
  std::vector<std::string> expired;
  std::int64_t now = unix_seconds(parts.clock.wall_now());
  for (const auto& [id, entry] : parts.datastore->entries().index().all()) {
    if (entry->expires_at() != 0 && entry->expires_at() < now) expired.push_back(id);
  }
  if (expired.empty()) return {};
  return parts.datastore->write([&]() -> Result<void> {
    for (const std::string& id : expired) STEEPLE_CHECK(parts.datastore->entries().erase(id));
    return {};
  });
}

void maintain(Parts& parts, runtime::SteadyTime& next_prune) {
  if (auto done = parts.authorities->maintain(); !done) {
    parts.log.error("Could not maintain the authorities", {{"error", done.error()}});
  }
  parts.kubernetes.bundle_is(parts.authorities->sequence_number());
  if (parts.svid->due()) {
    auto renewed = parts.svid->renew();
    if (renewed) parts.log.info("Rotated server SVID", {{"serial_number", parts.svid->certificate().serial_decimal()}});
    if (!renewed) parts.log.error("Could not rotate server SVID", {{"error", renewed.error()}});
  }
  if (parts.endpoint) parts.endpoint->maintain(parts.loop.now());
  if (parts.loop.now() < next_prune) return;
  next_prune = parts.loop.now() + kPruneInterval;
  if (auto done = prune_entries(parts); !done) {
    parts.log.error("Could not prune expired entries", {{"error", done.error()}});
  }
}

Task<int> serve(Parts& parts) {
  int exit_status = 0;
  parts.telemetry.start();
  runtime::TaskGroup listeners(parts.loop);
  listeners.spawn(parts.tcp->serve());
  listeners.spawn(parts.local->serve());
  listeners.spawn(parts.federation->run());
  if (parts.endpoint) {
    if (auto bound = co_await parts.endpoint->bind(); !bound) {
      parts.log.error("Fatal run error", {{"error", bound.error()}});
      parts.stopping = true;
      exit_status = 1;
    } else {
      listeners.spawn(parts.endpoint->serve());
    }
  }
  runtime::TaskGroup notifiers(parts.loop);
  parts.kubernetes.start_notifiers(notifiers);
  runtime::SteadyTime next_prune = parts.loop.now() + kPruneInterval;
  while (!parts.stopping) {
    // The deadline passing is the ordinary case: maintenance is due.
    static_cast<void>(co_await parts.wake.wait(runtime::Deadline::after(parts.loop.now(), kMaintenanceInterval), {}));
    maintain(parts, next_prune);
  }
  notifiers.close(StopReason::kShutdown);
  if (parts.endpoint) co_await parts.endpoint->stop();
  co_await parts.federation->stop();
  co_await parts.tcp->stop();
  co_await parts.local->stop();
  listeners.close(StopReason::kShutdown);
  co_await listeners.join();
  co_await notifiers.join();
  co_await parts.telemetry.stop();
  if (exit_status == 0) parts.log.info("Server stopped gracefully");
  co_return exit_status;
}

void on_signal(Parts& parts, int signal_number) {
  if (signal_number == SIGUSR2) {
    if (auto reopened = parts.log.reopen(); !reopened) {
      parts.log.error("Could not reopen the log file", {{"error", reopened.error()}});
    }
    return;
  }
  if (signal_number != SIGINT && signal_number != SIGTERM) return;
  parts.stopping = true;
  parts.wake.notify();
}

Result<void> start(Parts& parts) {
  parts.log.warning(
      "This is Steeple's embedded development server. It is for development and tests only: do not trust its "
      "identities with anything of value");
  if (!parts.config.settings.faults.unsignable.empty() || parts.config.settings.faults.agents_must_reattest ||
      parts.config.settings.faults.without_sync_authorized_entries) {
    parts.log.warning("The development block of the configuration simulates faults");
  }
  if (parts.config.settings.x509_svid_ttl > parts.config.ca_ttl / 6) {
    parts.log.warning(
        "default_x509_svid_ttl is too high for the configured ca_ttl value; SVIDs with shorter lifetimes may be "
        "issued");
  }
  STEEPLE_CHECK(load_attestors(parts));
  STEEPLE_CHECK(open_state(parts));
  add_services(parts);
  STEEPLE_CHECK(make_endpoint(parts));
  STEEPLE_CHECK(bind(parts));
  STEEPLE_TRY(signals, runtime::Signals::install(parts.loop, [&parts](int number) { on_signal(parts, number); }));
  parts.signals = std::move(signals);
  return {};
}

}  // namespace

int run_server(DevServerConfig config) {
  runtime::raise_umask();
  Result<Logger> log = make_logger(config);
  if (!log) {
    fmt::print(stderr, "unable to open log file: {}\n", log.error().message());
    return 1;
  }
  Parts parts(std::move(config), std::move(*log));
  if (auto started = start(parts); !started) {
    parts.log.error("Fatal run error", {{"error", started.error()}});
    return 1;
  }
  return runtime::run_until_done(parts.loop, serve(parts));
}

}  // namespace steeple::devserver
