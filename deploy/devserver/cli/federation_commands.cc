// federation create, update, list, show, delete, refresh.
#include <fmt/format.h>

#include "deploy/devserver/cli/command.h"
#include "deploy/devserver/cli/output_json.h"
#include "deploy/devserver/cli/relationship_input.h"
#include "deploy/devserver/cli/server_client.h"
#include "google/protobuf/empty.pb.h"
#include "runtime/core/go_text.h"
#include "runtime/grpc/status.h"
#include "runtime/os/file.h"
#include "spire/api/server/trustdomain/v1/trustdomain.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::trustdomain::v1;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::FederationRelationship;

#define STEEPLE_TRUST_DOMAIN_RPC(name) "/spire.api.server.trustdomain.v1.TrustDomain/" name
constexpr std::string_view kIdHelp = "SPIFFE ID of the trust domain";
constexpr std::string_view kDefaultFormat = "pem";

// The flags of create and update.
struct RelationshipFlags {
  std::string data;
  RelationshipInput input;

  void add_to(agent::FlagSet& flags);
  Result<std::vector<FederationRelationship>> read(Terminal& terminal) const;
};

void RelationshipFlags::add_to(agent::FlagSet& flags) {
  input.bundle_format = kDefaultFormat;
  flags.add("data", data, "File of federation relationships in JSON (optional). '-': standard input.");
  flags.add("trustDomain", input.trust_domain, "Name of the trust domain to federate with (like example.org)");
  flags.add("bundleEndpointURL", input.url, "URL of the bundle endpoint of the trust domain (https)");
  flags.add("bundleEndpointProfile", input.profile, "Profile of the endpoint (\"https_web\" or \"https_spiffe\")");
  flags.add("endpointSpiffeID", input.endpoint_id, "SPIFFE ID of the endpoint. For \"https_spiffe\" only.");
  flags.add("trustDomainBundlePath", input.bundle_path, "File of the trust domain's bundle (optional).");
  flags.add("trustDomainBundleFormat", input.bundle_format,
            "The format of the bundle (optional). Either \"pem\" or \"spiffe\".");
}

Result<std::vector<FederationRelationship>> RelationshipFlags::read(Terminal& terminal) const {
  if (data.empty()) {
    STEEPLE_TRY(one, to_relationship(input));
    return std::vector<FederationRelationship>{std::move(one)};
  }
  bool others = !input.trust_domain.empty() || !input.url.empty() || !input.profile.empty() ||
                !input.endpoint_id.empty() || !input.bundle_path.empty() || input.bundle_format != kDefaultFormat;
  if (others) {
    return Error(ErrorCode::kInvalidArgument,
                 "cannot use other flags to specify relationship fields when 'data' flag is set");
  }
  STEEPLE_TRY(text, data == "-" ? terminal.read_input() : runtime::read_file(data, kInputBytesMax));
  return parse_relationships(text);
}

template <class Result>
void add_relationship(JsonObject& object, const Result& result) {
  if (result.has_federation_relationship()) {
    object.raw("federation_relationship", to_json(result.federation_relationship()));
  }
}

void add_trust_domain(JsonObject& object, const v1::BatchDeleteFederationRelationshipResponse::Result& result) {
  object.text("trust_domain", result.trust_domain());
}

// The server names a relationship only where it worked; of the others, what was asked for is shown.
template <class Request, class Response>
Result<void> print_results(const Request& request, const Response& response, std::string_view verb,
                           Terminal& terminal) {
  if (response.results_size() != request.federation_relationships_size()) {
    return Error(ErrorCode::kMalformed, "the server's answer has another number of results than the request asks for");
  }
  for (const auto& result : response.results()) {
    if (result.status().code() == 0) terminal.out("\n" + format_relationship(result.federation_relationship()));
  }
  bool failed = false;
  for (int i = 0; i < response.results_size(); ++i) {
    const auto& status = response.results(i).status();
    if (status.code() == 0) continue;
    failed = true;
    terminal.out("\n");
    terminal.err(fmt::format("Failed to {} the following federation relationship (code: {}, msg: {}):\n", verb,
                             runtime::grpc::to_string(static_cast<runtime::grpc::StatusCode>(status.code())),
                             runtime::go_quote(status.message())));
    terminal.err(format_relationship(request.federation_relationships(i)));
  }
  if (!failed) return {};
  return Error(ErrorCode::kFailedPrecondition, fmt::format("failed to {} one or more federation relationships", verb));
}

template <class Request, class Response>
int run_batch(std::string_view verb, std::string_view method, const Words& arguments, Terminal& terminal) {
  ClientCommand command(fmt::format("federation {}", verb), Outputs::kPrettyAndJson);
  RelationshipFlags flags;
  flags.add_to(command.flags());
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(relationships, flags.read(terminal));
    Request request;
    for (auto& one : relationships) *request.add_federation_relationships() = std::move(one);
    STEEPLE_TRY(response, runtime::with_context(call<Response>(socket, method, request), "request failed"));
    if (!command.json()) return print_results(request, response, verb, terminal);
    terminal.out(results_line(response, add_relationship<typename Response::Result>));
    return {};
  });
}

}  // namespace

int run_federation_create(const Words& arguments, Terminal& terminal) {
  return run_batch<v1::BatchCreateFederationRelationshipRequest, v1::BatchCreateFederationRelationshipResponse>(
      "create", STEEPLE_TRUST_DOMAIN_RPC("BatchCreateFederationRelationship"), arguments, terminal);
}

int run_federation_update(const Words& arguments, Terminal& terminal) {
  return run_batch<v1::BatchUpdateFederationRelationshipRequest, v1::BatchUpdateFederationRelationshipResponse>(
      "update", STEEPLE_TRUST_DOMAIN_RPC("BatchUpdateFederationRelationship"), arguments, terminal);
}

int run_federation_list(const Words& arguments, Terminal& terminal) {
  ClientCommand command("federation list", Outputs::kPrettyAndJson);
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    STEEPLE_TRY(response, runtime::with_context(call<v1::ListFederationRelationshipsResponse>(
                                                    socket, STEEPLE_TRUST_DOMAIN_RPC("ListFederationRelationships"),
                                                    v1::ListFederationRelationshipsRequest()),
                                                "error listing federation relationship"));
    const auto& found = response.federation_relationships();
    if (command.json()) {
      std::vector<std::string> list;
      for (const FederationRelationship& one : found) list.push_back(to_json(one));
      JsonObject object;
      object.list("federation_relationships", list).text("next_page_token", response.next_page_token());
      terminal.out(object.line());
      return {};
    }
    terminal.out(fmt::format("Found {} federation relationship{}\n", found.size(), found.size() == 1 ? "" : "s"));
    for (const FederationRelationship& one : found) terminal.out("\n" + format_relationship(one));
    return {};
  });
}

int run_federation_show(const Words& arguments, Terminal& terminal) {
  ClientCommand command("federation show", Outputs::kPrettyAndJson);
  std::string trust_domain;
  command.flags().add("trustDomain", trust_domain, "Name of the trust domain of the federation relationship");
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (trust_domain.empty()) return Error(ErrorCode::kInvalidArgument, "a trust domain name is required");
    v1::GetFederationRelationshipRequest request;
    request.set_trust_domain(trust_domain);
    STEEPLE_TRY(
        found, runtime::with_context(
                   call<FederationRelationship>(socket, STEEPLE_TRUST_DOMAIN_RPC("GetFederationRelationship"), request),
                   "error showing federation relationship"));
    terminal.out(command.json() ? to_json(found) + "\n"
                                : fmt::format("Found a federation relationship with trust domain {}:\n\n{}",
                                              trust_domain, format_relationship(found)));
    return {};
  });
}

int run_federation_delete(const Words& arguments, Terminal& terminal) {
  ClientCommand command("federation delete", Outputs::kPrettyAndJson);
  std::string id;
  command.flags().add("id", id, kIdHelp);
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (id.empty()) return Error(ErrorCode::kInvalidArgument, "id is required");
    v1::BatchDeleteFederationRelationshipRequest request;
    request.add_trust_domains(id);
    constexpr std::string_view kFailed = "failed to delete federation relationship";
    STEEPLE_TRY(response, runtime::with_context(
                              call<v1::BatchDeleteFederationRelationshipResponse>(
                                  socket, STEEPLE_TRUST_DOMAIN_RPC("BatchDeleteFederationRelationship"), request),
                              std::string(kFailed)));
    if (response.results_size() != 1) return Error(ErrorCode::kMalformed, fmt::format("{}: no result", kFailed));
    if (command.json()) {
      terminal.out(results_line(response, add_trust_domain));
      return {};
    }
    const auto& result = response.results(0);
    if (result.status().code() != 0) {
      return Error(
          ErrorCode::kFailedPrecondition,
          fmt::format("{} {}: {}", kFailed, runtime::go_quote(result.trust_domain()), result.status().message()));
    }
    terminal.out("federation relationship deleted.\n");
    return {};
  });
}

int run_federation_refresh(const Words& arguments, Terminal& terminal) {
  ClientCommand command("federation refresh", Outputs::kPrettyAndJson);
  std::string id;
  command.flags().add("id", id, kIdHelp);
  return command.run(arguments, terminal, [&](const std::string& socket) -> Result<void> {
    if (id.empty()) return Error(ErrorCode::kInvalidArgument, "id is required");
    v1::RefreshBundleRequest request;
    request.set_trust_domain(id);
    auto done = call<google::protobuf::Empty>(socket, STEEPLE_TRUST_DOMAIN_RPC("RefreshBundle"), request);
    if (!done && done.error().code() == ErrorCode::kNotFound) {
      return Error(ErrorCode::kNotFound,
                   fmt::format("there is no federation relationship with trust domain {}", runtime::go_quote(id)));
    }
    STEEPLE_CHECK(runtime::with_context(std::move(done), "failed to refresh bundle"));
    terminal.out(command.json() ? to_json(spire::api::types::Status()) + "\n" : "Bundle refreshed\n");
    return {};
  });
}

}  // namespace steeple::devserver
