#include "agent/app/telemetry_side.h"

#include <fmt/format.h>
#include <limits.h>
#include <unistd.h>

#include "agent/telemetry/names.h"

namespace steeple::agent {

using std::chrono::nanoseconds;

namespace {

TelemetryOptions telemetry_options(const AgentConfig& config, std::shared_ptr<runtime::TlsServerContext> tls) {
  const TelemetrySettings& settings = config.telemetry;
  TelemetryOptions options;
  options.prometheus = settings.prometheus;
  options.prometheus_host = settings.prometheus_host;
  options.prometheus_port = static_cast<std::uint16_t>(settings.prometheus_port);
  options.prometheus_tls = std::move(tls);
  options.statsd = settings.statsd;
  options.dogstatsd = settings.dog_statsd;
  options.in_memory = settings.in_mem;
  options.trust_domain = config.trust_domain.name();
  options.version = STEEPLE_VERSION;
  options.metrics.prefix = settings.metric_prefix;
  char host[HOST_NAME_MAX + 1] = {};
  if (settings.hostname_label && ::gethostname(host, HOST_NAME_MAX) == 0) options.metrics.host = host;
  if (settings.trust_domain_label) options.metrics.trust_domain = options.trust_domain;
  options.metrics.allowed_prefixes = settings.allowed_prefixes;
  options.metrics.blocked_prefixes = settings.blocked_prefixes;
  options.metrics.allowed_labels = settings.allowed_labels;
  options.metrics.blocked_labels = settings.blocked_labels;
  return options;
}

// In the order of FirstSvidStage.
std::array<runtime::Metric*, 4> first_svid_stages(runtime::Metrics& metrics) {
  const auto stage = [&metrics](const char* name) {
    return &metrics.own_histogram(metric::kFirstSvidStage, {{"stage", name}});
  };
  return {stage("attest"), stage("match"), stage("sign"), stage("first_byte")};
}

}  // namespace

runtime::Result<std::shared_ptr<runtime::TlsServerContext>> prometheus_tls(const AgentConfig& config,
                                                                           PrometheusTlsSources sources) {
  if (!config.telemetry.prometheus_tls) return std::shared_ptr<runtime::TlsServerContext>();
  const PrometheusTls& tls = *config.telemetry.prometheus_tls;
  return make_prometheus_tls(
      {tls.cert_file, tls.key_file, tls.client_ca_file, tls.use_spire_svid, tls.authorized_spiffe_ids},
      std::move(sources));
}

TelemetrySide::TelemetrySide(runtime::Loop& loop, const runtime::Clock& clock, const AgentConfig& config,
                             std::shared_ptr<runtime::TlsServerContext> tls, const runtime::Logger& log)
    : clock_(clock),
      entries_are_synced_(config.use_sync_authorized_entries),
      telemetry_(loop, clock, telemetry_options(config, std::move(tls)), log),
      counters_(telemetry_.metrics()),
      node_(telemetry_.metrics()),
      first_svid_(first_svid_stages(telemetry_.metrics())) {}

void TelemetrySide::engine_chosen(std::string_view backend) {
  telemetry_.metrics().own_gauge(metric::kIoBackend, {{"backend", std::string(backend)}}).set(1);
}

KeyManager& TelemetrySide::metered(KeyManager& keys) {
  if (!telemetry_.metrics().enabled()) return keys;
  return keys_.emplace(keys, telemetry_.metrics());
}

NodeIdentityEvents TelemetrySide::identity_events() {
  NodeIdentityEvents events;
  if (!telemetry_.metrics().enabled()) return events;
  events.bootstrap_changed = [this](const BootstrapState& state) {
    node_.bootstrap(state.use == BootstrapUse::kRebootstrap, state.start_time, state.connection_attempts);
  };
  events.attested = [this](std::string_view attestor, std::string_view status, nanoseconds elapsed) {
    node_.attested(attestor, status, elapsed);
  };
  events.reattested = [this](std::string_view status, nanoseconds elapsed) { node_.reattested(status, elapsed); };
  events.renewed = [this](std::string_view status, nanoseconds elapsed) { node_.renewed(status, elapsed); };
  return events;
}

attestation::AttestationEvents TelemetrySide::attestation_events() {
  attestation::AttestationEvents events;
  if (!telemetry_.metrics().enabled()) return events;
  events.attestor = [this](std::string_view attestor, std::string_view status, nanoseconds elapsed) {
    counters_.attestor_answered(attestor, status, elapsed);
  };
  events.caller = [this](std::string_view status, std::size_t selectors, nanoseconds elapsed) {
    counters_.caller_attested(status, selectors, elapsed);
  };
  return events;
}

void TelemetrySide::add_to(SyncerEvents& events) {
  if (!telemetry_.metrics().enabled()) return;
  events.entries_fetched = [this](std::string_view status, nanoseconds elapsed) {
    counters_.entries_fetched(status, elapsed);
  };
  events.svids_fetched = [this](std::string_view status, nanoseconds elapsed) {
    counters_.svids_fetched(status, elapsed);
  };
  events.svids_expiring = [this](std::size_t count) { counters_.svids_expiring(count); };
  events.x509_svids_tainted = [this](std::size_t count, nanoseconds elapsed) {
    counters_.x509_svids_tainted(count, elapsed);
  };
  if (!entries_are_synced_) return;
  events.entries_synced = [this](const EntrySyncStats& stats) {
    counters_.entries_synced(stats.bundles, stats.total, stats.missing, stats.stale, stats.dropped);
  };
}

void TelemetrySide::synchronised(Syncer& syncer) {
  const CacheCounts counts = syncer.cache().counts();
  counters_.entries_changed(counts.entries_added - told_.entries_added, counts.entries_updated - told_.entries_updated,
                            counts.entries_removed - told_.entries_removed);
  told_ = counts;
}

FirstSvidSeen TelemetrySide::first_svid_seen() {
  if (!telemetry_.metrics().enabled()) return {};
  return [this](FirstSvidStage stage, nanoseconds elapsed) {
    first_svid_[static_cast<std::size_t>(stage)]->record(elapsed);
  };
}

void TelemetrySide::collect_from(Syncer& syncer, const JwtFetcher& tokens, const NodeIdentity& identity) {
  telemetry_.add_collector([this, &syncer, &tokens, &identity] { collect(syncer, tokens, identity); });
}

void TelemetrySide::collect_from(const attestation::WorkloadEngine& attestors) {
  telemetry_.add_collector([this, &attestors] {
    for (const auto& attestor : attestors.attestors()) {
      for (const attestation::WorkloadAttestor::Figure& figure : attestor->figures()) {
        const std::string name = fmt::format("steeple.{}_{}", attestor->name(), figure.name);
        const std::uint64_t before = std::exchange(figures_[name], figure.total);
        // An attestor that took another's place counts from zero.
        const std::uint64_t more = figure.total >= before ? figure.total - before : figure.total;
        telemetry_.metrics().own_counter(name).add(static_cast<double>(more));
      }
    }
  });
}

void TelemetrySide::collect(Syncer& syncer, const JwtFetcher& tokens, const NodeIdentity& identity) {
  const auto left = [this](runtime::WallTime expiry) {
    return std::chrono::duration<double>(expiry - clock_.wall_now()).count();
  };
  if (identity.svid()) telemetry_.metrics().own_gauge(metric::kAgentExpiry).set(left(identity.svid()->not_after()));
  runtime::Metrics& metrics = telemetry_.metrics();
  const auto last = syncer.last_sync();
  if (!last) return;
  const CacheCounts counts = syncer.cache().counts();
  metrics.gauge(metric::kCacheEntries).set(static_cast<double>(counts.entries));
  metrics.gauge(metric::kCacheSvids).set(static_cast<double>(counts.svids));
  metrics.gauge(metric::kJwtCacheSvids).set(static_cast<double>(tokens.cached()));
  if (counts.nearest_expiry) metrics.own_gauge(metric::kNearestExpiry).set(left(*counts.nearest_expiry));
  metrics.own_gauge(metric::kSubscribers).set(static_cast<double>(counts.subscribers));
  metrics.own_gauge(metric::kExpiredServed).set(static_cast<double>(counts.expired));
  metrics.own_gauge(metric::kSyncAge).set(std::chrono::duration<double>(clock_.wall_now() - *last).count());
}

}  // namespace steeple::agent
