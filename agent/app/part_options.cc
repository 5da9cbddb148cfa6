#include "agent/app/part_options.h"

namespace steeple::agent {
namespace {

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

}  // namespace

runtime::BackendPolicy backend_policy(const AgentConfig& config) {
  switch (config.io_backend) {
    case IoBackend::kAuto:
      return runtime::BackendPolicy::kAuto;
    case IoBackend::kIoUring:
      return runtime::BackendPolicy::kIoUring;
    case IoBackend::kEpoll:
      return runtime::BackendPolicy::kEpoll;
  }
  return runtime::BackendPolicy::kAuto;
}

BundleSourceOptions bundle_source_options(const AgentConfig& config) {
  BundleSourceOptions options;
  options.trust_domain = config.trust_domain;
  options.server_address = config.server_address;
  options.server_port = static_cast<std::uint16_t>(config.server_port);
  options.trust_bundle_path = config.bootstrap.path;
  options.trust_bundle_url = config.bootstrap.url;
  options.trust_bundle_unix_socket = config.bootstrap.unix_socket;
  options.trust_bundle_format = config.bootstrap.format;
  options.insecure_bootstrap = config.bootstrap.insecure;
  return options;
}

NodeIdentityOptions identity_options(const AgentConfig& config) {
  NodeIdentityOptions options;
  options.trust_domain = config.trust_domain;
  options.rebootstrap_mode = config.rebootstrap_mode;
  options.rebootstrap_delay = config.rebootstrap_delay;
  options.availability_target = config.availability_target;
  return options;
}

ServerClientOptions server_client_options(const AgentConfig& config) {
  ServerClientOptions options;
  options.use_sync_authorized_entries = config.use_sync_authorized_entries;
  return options;
}

SyncerOptions syncer_options(const AgentConfig& config) {
  SyncerOptions options;
  options.trust_domain = config.trust_domain;
  options.agent_version = STEEPLE_VERSION;
  if (config.sync_interval.count() > 0) options.sync_interval = config.sync_interval;
  options.availability_target = config.availability_target;
  options.workload_key_type = key_type_of(config.workload_key_type);
  options.x509_svid_cache_max_size = static_cast<std::size_t>(config.x509_svid_cache_max_size);
  return options;
}

JwtFetcherOptions jwt_fetcher_options(const AgentConfig& config) {
  JwtFetcherOptions options;
  options.cache_max_size = static_cast<std::size_t>(config.jwt_svid_cache_max_size);
  options.cache_hit_timeout = config.jwt_svid_cache_hit_timeout;
  return options;
}

WorkloadApi::Options workload_api_options(const AgentConfig& config) {
  WorkloadApi::Options options;
  options.allow_unauthenticated_verifiers = config.allow_unauthenticated_verifiers;
  options.log_selectors = config.log_selectors;
  return options;
}

JwtApi::Options jwt_api_options(const AgentConfig& config) {
  JwtApi::Options options;
  options.trust_domain = config.trust_domain;
  options.allowed_foreign_claims = config.allowed_foreign_jwt_claims;
  options.log_selectors = config.log_selectors;
  return options;
}

SdsOptions sds_options(const AgentConfig& config) {
  const SdsSettings& sds = config.sds;
  return {sds.default_svid_name, sds.default_bundle_name, sds.default_all_bundles_name,
          sds.disable_spiffe_cert_validation};
}

HealthListenerOptions health_listener_options(const AgentConfig& config) {
  const HealthCheckSettings& settings = config.health_checks;
  HealthListenerOptions options;
  options.bind_address = settings.bind_address;
  options.bind_port = settings.bind_port;
  options.live_path = settings.live_path;
  options.ready_path = settings.ready_path;
  options.apis_enabled = !config.socket_path.empty();
  return options;
}

std::vector<MethodLimit> call_limits(const AgentConfig& config) {
  const RateLimitSettings& limits = config.rate_limits;
  return {{kFetchX509SvidMethod, limits.fetch_x509_svid},       {kFetchJwtSvidMethod, limits.fetch_jwt_svid},
          {kFetchX509BundlesMethod, limits.fetch_x509_bundles}, {kFetchJwtBundlesMethod, limits.fetch_jwt_bundles},
          {kStreamSecretsMethod, limits.stream_secrets},        {kFetchSecretsMethod, limits.fetch_secrets}};
}

}  // namespace steeple::agent
