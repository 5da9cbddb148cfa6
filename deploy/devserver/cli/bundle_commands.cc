// bundle show, list, set, delete, count.
#include <fmt/format.h>

#include "deploy/devserver/cli/bundle_text.h"
#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/output_json.h"
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
constexpr std::string_view kIdHelp = "SPIFFE ID of the trust domain";

std::string bundle_line(const Bundle& bundle) { return to_json(bundle) + "\n"; }

void add_bundle(JsonObject& object, const v1::BatchSetFederatedBundleResponse::Result& result) {
  if (result.has_bundle()) object.raw("bundle", to_json(result.bundle()));
}

void add_trust_domain(JsonObject& object, const v1::BatchDeleteFederatedBundleResponse::Result& result) {
  object.text("trust_domain", result.trust_domain());
}

Result<void> print_federated(const std::string& socket, const std::string& format, bool json, Terminal& terminal) {
  STEEPLE_TRY(response, call<v1::ListFederatedBundlesResponse>(socket, STEEPLE_BUNDLE_RPC("ListFederatedBundles"),
                                                               v1::ListFederatedBundlesRequest()));
  if (json) {
    std::vector<std::string> bundles;
    for (const Bundle& bundle : response.bundles()) bundles.push_back(to_json(bundle));
    terminal.out(JsonObject().list("bundles", bundles).text("next_page_token", response.next_page_token()).line());
    return {};
  }
  for (int i = 0; i < response.bundles_size(); ++i) {
    STEEPLE_TRY(wanted, parse_bundle_format(format));
    STEEPLE_TRY(text, format_bundle(response.bundles(i), wanted));
    constexpr std::string_view kRule = "****************************************";
    terminal.out(
        fmt::format("{}{}\n* {}\n{}\n{}", i == 0 ? "" : "\n", kRule, response.bundles(i).trust_domain(), kRule, text));
  }
  return {};
}

Result<void> print_one(const Bundle& bundle, const std::string& format, bool json, Terminal& terminal) {
  if (json) {
    terminal.out(bundle_line(bundle));
    return {};
  }
  STEEPLE_TRY(wanted, parse_bundle_format(format));
  STEEPLE_TRY(text, format_bundle(bundle, wanted));
  terminal.out(text);
  return {};
}

Result<void> set_bundle(const std::string& socket, Bundle bundle, bool json, Terminal& terminal) {
  v1::BatchSetFederatedBundleRequest request;
  *request.add_bundle() = std::move(bundle);
  STEEPLE_TRY(response, runtime::with_context(call<v1::BatchSetFederatedBundleResponse>(
                                                  socket, STEEPLE_BUNDLE_RPC("BatchSetFederatedBundle"), request),
                                              "failed to set federated bundle"));
  if (response.results_size() != 1) return Error(ErrorCode::kMalformed, "failed to set federated bundle: no result");
  const auto& status = response.results(0).status();
  if (json) {
    terminal.out(results_line(response, add_bundle));
    return {};
  }
  if (status.code() != 0) {
    return Error(ErrorCode::kFailedPrecondition, fmt::format("failed to set federated bundle: {}", status.message()));
  }
  terminal.out("bundle set.\n");
  return {};
}

Result<v1::BatchDeleteFederatedBundleRequest::Mode> parse_mode(const std::string& text) {
  using Request = v1::BatchDeleteFederatedBundleRequest;
  if (text.empty() || text == "restrict") return Request::RESTRICT;
  if (text == "delete") return Request::DELETE;
  if (text == "dissociate") return Request::DISSOCIATE;
  return Error(ErrorCode::kInvalidArgument, fmt::format("unsupported mode {}", runtime::go_quote(text)));
}

}  // namespace

int run_bundle_show(const Words& arguments, Terminal& terminal) {
  ClientCommand command("bundle show", Outputs::kPrettyAndJson);
  std::string format = "pem";
  command.flags().add("format", format,
                      "The format to show the bundle (only pretty output format supports this flag). Either \"pem\" or "
                      "\"spiffe\".");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(bundle, call<Bundle>(socket, STEEPLE_BUNDLE_RPC("GetBundle"), v1::GetBundleRequest()));
    return print_one(bundle, format, command.json(), terminal);
  });
}

int run_bundle_list(const Words& arguments, Terminal& terminal) {
  ClientCommand command("bundle list", Outputs::kPrettyAndJson);
  std::string format = "pem";
  std::string id;
  command.flags().add("id", id, kIdHelp);
  command.flags().add("format", format,
                      "The format to list federated bundles (only pretty output format supports this flag). Either "
                      "\"pem\" or \"spiffe\".");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (id.empty()) return print_federated(socket, format, command.json(), terminal);
    v1::GetFederatedBundleRequest request;
    request.set_trust_domain(id);
    STEEPLE_TRY(bundle, call<Bundle>(socket, STEEPLE_BUNDLE_RPC("GetFederatedBundle"), request));
    return print_one(bundle, format, command.json(), terminal);
  });
}

int run_bundle_set(const Words& arguments, Terminal& terminal) {
  ClientCommand command("bundle set", Outputs::kPrettyAndJson);
  std::string id;
  std::string path;
  std::string format = "pem";
  command.flags().add("id", id, kIdHelp);
  command.flags().add("path", path, "Path to the bundle data");
  command.flags().add("format", format, "The format of the bundle data. Either \"pem\" or \"spiffe\".");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (id.empty()) return Error(ErrorCode::kInvalidArgument, "id flag is required");
    STEEPLE_TRY(wanted, parse_bundle_format(format));
    STEEPLE_TRY(text,
                runtime::with_context(path.empty() ? terminal.read_input() : runtime::read_file(path, kInputBytesMax),
                                      "unable to load bundle data"));
    STEEPLE_TRY(bundle, parse_bundle(text, wanted, id));
    return set_bundle(socket, std::move(bundle), command.json(), terminal);
  });
}

int run_bundle_delete(const Words& arguments, Terminal& terminal) {
  ClientCommand command("bundle delete", Outputs::kPrettyAndJson);
  std::string id;
  std::string mode_text = "restrict";
  command.flags().add("id", id, kIdHelp);
  command.flags().add("mode", mode_text, "Deletion mode: one of restrict, delete, or dissociate");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (id.empty()) return Error(ErrorCode::kInvalidArgument, "id is required");
    STEEPLE_TRY(mode, parse_mode(mode_text));
    v1::BatchDeleteFederatedBundleRequest request;
    request.add_trust_domains(id);
    request.set_mode(mode);
    STEEPLE_TRY(response, runtime::with_context(call<v1::BatchDeleteFederatedBundleResponse>(
                                                    socket, STEEPLE_BUNDLE_RPC("BatchDeleteFederatedBundle"), request),
                                                "failed to delete federated bundle"));
    if (response.results_size() != 1)
      return Error(ErrorCode::kMalformed, "failed to delete federated bundle: no result");
    const auto& result = response.results(0);
    if (command.json()) {
      terminal.out(results_line(response, add_trust_domain));
      return {};
    }
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
  ClientCommand command("bundle count", Outputs::kPrettyAndJson);
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(response,
                call<v1::CountBundlesResponse>(socket, STEEPLE_BUNDLE_RPC("CountBundles"), v1::CountBundlesRequest()));
    if (command.json()) {
      terminal.out(JsonObject().number("count", response.count()).line());
      return {};
    }
    terminal.out(fmt::format("{} {}\n", response.count(), response.count() == 1 ? "bundle" : "bundles"));
    return {};
  });
}

}  // namespace steeple::devserver
