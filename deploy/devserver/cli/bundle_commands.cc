// bundle show, list, set, delete, count.
#include <fmt/format.h>

#include <algorithm>

#include "agent/spiffe/jwks.h"
#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/server_client.h"
#include "runtime/core/go_text.h"
#include "runtime/os/file.h"
#include "spire/api/server/bundle/v1/bundle.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::bundle::v1;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Bundle;

#define STEEPLE_BUNDLE_RPC(name) "/spire.api.server.bundle.v1.Bundle/" name
constexpr std::string_view kFormatHelp = "The format of the bundle: pem or spiffe";

Result<bool> is_pem(std::string format) {
  std::transform(format.begin(), format.end(), format.begin(), [](unsigned char c) { return std::tolower(c); });
  if (format.empty() || format == "pem") return true;
  if (format == "spiffe") return false;
  return Error(ErrorCode::kInvalidArgument, fmt::format("invalid format: {}", runtime::go_quote(format)));
}

Result<std::string> format_document(const Bundle& message) {
  STEEPLE_TRY(trust_domain, agent::TrustDomain::parse(message.trust_domain()));
  agent::Bundle bundle(trust_domain);
  for (const auto& authority : message.x509_authorities()) {
    STEEPLE_TRY(certificate, runtime::Certificate::parse(runtime::as_bytes(authority.asn1())));
    bundle.add_x509_authority(std::move(certificate), authority.tainted());
  }
  for (const auto& key : message.jwt_authorities()) {
    bundle.add_jwt_authority(agent::JwtAuthority(key.key_id(), runtime::to_bytes(runtime::as_bytes(key.public_key())),
                                                 key.expires_at(), key.tainted()));
  }
  if (message.refresh_hint() > 0) bundle.set_refresh_hint(std::chrono::seconds(message.refresh_hint()));
  if (message.sequence_number() > 0) bundle.set_sequence_number(message.sequence_number());
  STEEPLE_TRY(text, agent::format_bundle_document(bundle, true));
  return text + "\n";
}

Result<std::string> format_bundle(const Bundle& bundle, bool pem) {
  if (!pem) return format_document(bundle);
  std::string text;
  for (const auto& authority : bundle.x509_authorities()) {
    STEEPLE_TRY(certificate, runtime::Certificate::parse(runtime::as_bytes(authority.asn1())));
    text += runtime::to_pem(certificate);
  }
  return text;
}

Result<Bundle> parse_bundle(const std::string& text, bool pem, const std::string& id) {
  Bundle message;
  message.set_trust_domain(id);
  if (pem) {
    STEEPLE_TRY(certificates,
                runtime::with_context(runtime::parse_certificates_pem(text), "unable to parse bundle data"));
    for (const auto& certificate : certificates) {
      message.add_x509_authorities()->set_asn1(std::string(runtime::as_text(certificate.der())));
    }
    return message;
  }
  STEEPLE_TRY(trust_domain, agent::TrustDomain::parse(id));
  STEEPLE_TRY(bundle, runtime::with_context(agent::parse_bundle_document(trust_domain, text),
                                            "unable to parse to spiffe bundle"));
  message.set_trust_domain(trust_domain.name());
  for (const auto& authority : bundle.x509_authorities()) {
    message.add_x509_authorities()->set_asn1(std::string(runtime::as_text(authority.certificate.der())));
  }
  for (const auto& [key_id, authority] : bundle.jwt_authorities()) {
    auto* key = message.add_jwt_authorities();
    key->set_key_id(key_id);
    key->set_public_key(std::string(runtime::as_text(authority.public_key)));
  }
  if (bundle.refresh_hint()) message.set_refresh_hint(bundle.refresh_hint()->count());
  if (bundle.sequence_number()) message.set_sequence_number(*bundle.sequence_number());
  return message;
}

Result<void> print_federated(const std::string& socket, bool pem, Terminal& terminal) {
  STEEPLE_TRY(response, call<v1::ListFederatedBundlesResponse>(socket, STEEPLE_BUNDLE_RPC("ListFederatedBundles"),
                                                               v1::ListFederatedBundlesRequest()));
  for (int i = 0; i < response.bundles_size(); ++i) {
    STEEPLE_TRY(text, format_bundle(response.bundles(i), pem));
    constexpr std::string_view kRule = "****************************************";
    terminal.out(
        fmt::format("{}{}\n* {}\n{}\n{}", i == 0 ? "" : "\n", kRule, response.bundles(i).trust_domain(), kRule, text));
  }
  return {};
}

}  // namespace

int run_bundle_show(const Words& arguments, Terminal& terminal) {
  ClientCommand command("bundle show");
  std::string format = "pem";
  command.flags().add("format", format, kFormatHelp);
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(pem, is_pem(format));
    STEEPLE_TRY(bundle, call<Bundle>(socket, STEEPLE_BUNDLE_RPC("GetBundle"), v1::GetBundleRequest()));
    STEEPLE_TRY(text, format_bundle(bundle, pem));
    terminal.out(text);
    return {};
  });
}

int run_bundle_list(const Words& arguments, Terminal& terminal) {
  ClientCommand command("bundle list");
  std::string format = "pem";
  std::string id;
  command.flags().add("id", id, "SPIFFE ID of the trust domain");
  command.flags().add("format", format, kFormatHelp);
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(pem, is_pem(format));
    if (id.empty()) return print_federated(socket, pem, terminal);
    v1::GetFederatedBundleRequest request;
    request.set_trust_domain(id);
    STEEPLE_TRY(bundle, call<Bundle>(socket, STEEPLE_BUNDLE_RPC("GetFederatedBundle"), request));
    STEEPLE_TRY(text, format_bundle(bundle, pem));
    terminal.out(text);
    return {};
  });
}

int run_bundle_set(const Words& arguments, Terminal& terminal) {
  ClientCommand command("bundle set");
  std::string id;
  std::string path;
  std::string format = "pem";
  command.flags().add("id", id, "SPIFFE ID of the trust domain");
  command.flags().add("path", path, "Path to the bundle data");
  command.flags().add("format", format, kFormatHelp);
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (id.empty()) return Error(ErrorCode::kInvalidArgument, "id flag is required");
    STEEPLE_TRY(pem, is_pem(format));
    STEEPLE_TRY(text,
                runtime::with_context(path.empty() ? terminal.read_input() : runtime::read_file(path, kInputBytesMax),
                                      "unable to load bundle data"));
    STEEPLE_TRY(bundle, parse_bundle(text, pem, id));
    v1::BatchSetFederatedBundleRequest request;
    *request.add_bundle() = std::move(bundle);
    STEEPLE_TRY(response, runtime::with_context(call<v1::BatchSetFederatedBundleResponse>(
                                                    socket, STEEPLE_BUNDLE_RPC("BatchSetFederatedBundle"), request),
                                                "failed to set federated bundle"));
    if (response.results_size() != 1) return Error(ErrorCode::kMalformed, "failed to set federated bundle: no result");
    const auto& status = response.results(0).status();
    if (status.code() != 0) {
      return Error(ErrorCode::kFailedPrecondition, fmt::format("failed to set federated bundle: {}", status.message()));
    }
    terminal.out("bundle set.\n");
    return {};
  });
}

int run_bundle_delete(const Words& arguments, Terminal& terminal) {
  ClientCommand command("bundle delete");
  std::string id;
  std::string mode = "restrict";
  command.flags().add("id", id, "SPIFFE ID of the trust domain");
  command.flags().add("mode", mode, "Deletion mode: one of restrict, delete, or dissociate");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    using Request = v1::BatchDeleteFederatedBundleRequest;
    if (id.empty()) return Error(ErrorCode::kInvalidArgument, "id is required");
    Request request;
    request.add_trust_domains(id);
    if (mode == "delete") {
      request.set_mode(Request::DELETE);
    } else if (mode == "dissociate") {
      request.set_mode(Request::DISSOCIATE);
    } else if (mode != "restrict" && !mode.empty()) {
      return Error(ErrorCode::kInvalidArgument, fmt::format("unsupported mode {}", runtime::go_quote(mode)));
    }
    STEEPLE_TRY(response, runtime::with_context(call<v1::BatchDeleteFederatedBundleResponse>(
                                                    socket, STEEPLE_BUNDLE_RPC("BatchDeleteFederatedBundle"), request),
                                                "failed to delete federated bundle"));
    if (response.results_size() != 1)
      return Error(ErrorCode::kMalformed, "failed to delete federated bundle: no result");
    const auto& result = response.results(0);
    if (result.status().code() != 0) {
      return Error(ErrorCode::kFailedPrecondition,
                   fmt::format("failed to delete federated bundle {}: {}", runtime::go_quote(result.trust_domain()),
                               result.status().message()));
    }
    terminal.out("bundle deleted.\n");
    return {};
  });
}

int run_bundle_count(const Words& arguments, Terminal& terminal) {
  ClientCommand command("bundle count");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(response,
                call<v1::CountBundlesResponse>(socket, STEEPLE_BUNDLE_RPC("CountBundles"), v1::CountBundlesRequest()));
    terminal.out(fmt::format("{} {}\n", response.count(), response.count() == 1 ? "bundle" : "bundles"));
    return {};
  });
}

}  // namespace steeple::devserver
