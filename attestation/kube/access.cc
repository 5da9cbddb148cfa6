#include "attestation/kube/access.h"

#include <fmt/format.h>

#include <filesystem>

#include "attestation/kube/kubeconfig.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::HttpTls;
using runtime::HttpVerify;
using runtime::Result;

// A token goes into a header: without the file's line end, and nothing that would end the header.
Result<runtime::SecretBytes> clean_token(std::string text, std::string_view where) {
  std::string_view token = text;
  while (!token.empty() && static_cast<unsigned char>(token.back()) <= ' ') token.remove_suffix(1);
  while (!token.empty() && static_cast<unsigned char>(token.front()) <= ' ') token.remove_prefix(1);
  bool usable = true;
  for (char c : token) usable = usable && c > ' ' && c < 0x7f;
  runtime::SecretBytes secret(runtime::as_bytes(token));
  runtime::wipe_memory(text.data(), text.size());
  if (secret.empty()) return Error(ErrorCode::kFailedPrecondition, fmt::format("{} is empty", where));
  if (!usable) return Error(ErrorCode::kFailedPrecondition, fmt::format("{} is no bearer token", where));
  return secret;
}

Result<runtime::SecretBytes> read_token(const std::string& path) {
  STEEPLE_TRY(text, runtime::read_file(path, kCredentialBytesMax));
  return clean_token(std::move(text), runtime::go_quote(path));
}

Result<std::string> read_authority(const std::string& path) {
  STEEPLE_TRY(pem, runtime::read_file(path, kCredentialBytesMax));
  STEEPLE_TRY(certificates, runtime::with_context(runtime::parse_certificates_pem(pem), path));
  if (certificates.empty()) return Error(ErrorCode::kFailedPrecondition, path + " holds no certificate");
  return pem;
}

Result<void> load_key_pair(Kubeconfig& config, HttpTls& tls) {
  tls.certificate_pem = std::move(config.certificate_pem);
  if (tls.certificate_pem.empty() && !config.certificate_file.empty()) {
    STEEPLE_TRY(pem, runtime::read_file(config.certificate_file, kCredentialBytesMax));
    tls.certificate_pem = std::move(pem);
  }
  tls.private_key_pem = std::move(config.key_pem);
  if (tls.private_key_pem.empty() && !config.key_file.empty()) {
    STEEPLE_TRY(pem, runtime::read_file(config.key_file, kCredentialBytesMax));
    tls.private_key_pem = runtime::SecretBytes(runtime::as_bytes(pem));
    runtime::wipe_memory(pem.data(), pem.size());
  }
  return {};
}

Result<runtime::SecretBytes> token_of(Kubeconfig& config) {
  if (!config.token_file.empty()) return read_token(config.token_file);
  if (config.token.empty()) return runtime::SecretBytes();
  return clean_token(runtime::to_text(config.token.view()), "the kubeconfig's token");
}

bool is_file(const std::string& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  return !error && std::filesystem::exists(status) && !std::filesystem::is_directory(status);
}

}  // namespace

KubeAccessSource::KubeAccessSource(std::string kubeconfig_path, Environment environment,
                                   std::string service_account_folder)
    : kubeconfig_path_(std::move(kubeconfig_path)),
      environment_(std::move(environment)),
      folder_(std::move(service_account_folder)) {}

Result<KubeAccess> KubeAccessSource::load() {
  return runtime::with_context(kubeconfig_path_.empty() ? from_pod() : from_kubeconfig(),
                               "unable to create client config");
}

std::shared_ptr<const HttpTls> KubeAccessSource::same_or_new(HttpTls tls) {
  bool same = tls_ && tls_->verify == tls.verify && tls_->ca_pem == tls.ca_pem &&
              tls_->certificate_pem == tls.certificate_pem &&
              runtime::as_text(tls_->private_key_pem.view()) == runtime::as_text(tls.private_key_pem.view());
  if (!same) tls_ = std::make_shared<const HttpTls>(std::move(tls));
  return tls_;
}

Result<KubeAccess> KubeAccessSource::from_kubeconfig() {
  STEEPLE_TRY(text, runtime::read_file(kubeconfig_path_, kKubeconfigBytesMax));
  Result<Kubeconfig> config = parse_kubeconfig(text, runtime::parent_directory(kubeconfig_path_));
  runtime::wipe_memory(text.data(), text.size());
  if (!config) return std::move(config.error()).with_context(kubeconfig_path_);
  HttpTls tls;
  tls.verify = config->skip_verification ? HttpVerify::kNone : HttpVerify::kFull;
  tls.ca_pem = std::move(config->authority_pem);
  if (tls.ca_pem.empty() && !config->authority_file.empty()) {
    STEEPLE_TRY(pem, read_authority(config->authority_file));
    tls.ca_pem = std::move(pem);
  }
  STEEPLE_CHECK(load_key_pair(*config, tls));
  STEEPLE_TRY(token, token_of(*config));
  return KubeAccess{std::move(config->server), std::move(token), same_or_new(std::move(tls))};
}

Result<KubeAccess> KubeAccessSource::from_pod() {
  std::optional<std::string> host = environment_("KUBERNETES_SERVICE_HOST");
  std::optional<std::string> port = environment_("KUBERNETES_SERVICE_PORT");
  if (!host || host->empty() || !port || port->empty()) {
    return Error(ErrorCode::kFailedPrecondition,
                 "unable to load in-cluster configuration, KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT must be "
                 "defined");
  }
  STEEPLE_TRY(token, read_token(folder_ + "/token"));
  STEEPLE_TRY(authority, read_authority(folder_ + "/ca.crt"));
  HttpTls tls;
  tls.ca_pem = std::move(authority);
  const std::string name = host->find(':') == std::string::npos ? *host : "[" + *host + "]";
  return KubeAccess{fmt::format("https://{}:{}", name, *port), std::move(token), same_or_new(std::move(tls))};
}

Result<KubeAccessSource> find_kube_access(const Environment& environment, const std::string& folder) {
  const auto value = [&](const char* name) { return environment(name).value_or(std::string()); };
  const std::string named = value("KUBECONFIG");
  if (named.find(':') != std::string::npos) {
    return Error(ErrorCode::kUnimplemented,
                 "more than one file in KUBECONFIG is not available in this version of Steeple");
  }
  if (!named.empty()) return KubeAccessSource(named, environment, folder);
  const bool in_cluster = !value("KUBERNETES_SERVICE_HOST").empty() && !value("KUBERNETES_SERVICE_PORT").empty();
  if (in_cluster && is_file(folder + "/token")) return KubeAccessSource("", environment, folder);
  const std::string of_user = value("HOME") + "/.kube/config";
  if (of_user.front() == '/' && is_file(of_user)) return KubeAccessSource(of_user, environment, folder);
  return Error(ErrorCode::kFailedPrecondition,
               "invalid configuration: no configuration has been provided, try setting KUBERNETES_MASTER environment "
               "variable");
}

}  // namespace steeple::attestation
