#include "agent/config/config_flags.h"

#include "agent/config/schema.h"

namespace steeple::agent {

FlagSet config_flag_set(const std::string& command, ConfigFlags& flags) {
  FlagSet set(command);
  AgentSection& agent = flags.section;
  flags.config_path = kDefaultConfigPath;
  set.add("config", flags.config_path, "Path to a SPIRE config file");
  set.add("dataDir", agent.data_dir, "A directory the agent can use for its runtime data");
  set.add("joinToken", agent.join_token, "A token made by the server, to attest with once");
  set.add("joinTokenFile", agent.join_token_file, "File that holds the token to attest with");
  set.add("logFile", agent.log_file, "File to write logs to");
  set.add("logFormat", agent.log_format, "'text' or 'json'");
  set.add("logLevel", agent.log_level, "'debug', 'info', 'warn', or 'error'");
  set.add("logSourceLocation", agent.log_source_location, "Name source file, line and function in log lines");
  set.add("serverAddress", agent.server_address, "IP address or DNS name of the SPIRE server");
  set.add("serverPort", agent.server_port, "Port of the SPIRE server");
  set.add("trustDomain", agent.trust_domain, "Trust domain of the agent");
  set.add("disableWorkloadAPI", agent.disable_workload_api, "Do not serve the SPIFFE Workload API");
  set.add("disableSDSAPI", agent.disable_sds_api, "Do not serve Envoy's SDS API");
  set.add("trustBundle", agent.trust_bundle_path, "Path to the SPIRE server CA bundle");
  set.add("trustBundleUrl", agent.trust_bundle_url, "URL of the SPIRE server CA bundle");
  set.add("trustBundleFormat", agent.trust_bundle_format, "Form of the trust bundle, \"pem\" or \"spiffe\"");
  set.add("allowUnauthenticatedVerifiers", agent.allow_unauthenticated_verifiers,
          "Give X.509 bundles to callers without a registration entry, too");
  set.add("insecureBootstrap", agent.insecure_bootstrap, "Take the server's identity on trust the first time");
  set.add("rebootstrapMode", agent.rebootstrap_mode, "'never', 'auto', or 'always'");
  set.add("rebootstrapDelay", agent.rebootstrap_delay,
          "How long the server must show an unknown certificate before the agent bootstraps again");
  set.add("expandEnv", flags.expand_env, "Replace $VARIABLES in the config file by the environment's");
  set.add("socketPath", agent.socket_path, "Path to bind the SPIRE Agent API socket to");
  return set;
}

}  // namespace steeple::agent
