// spire.api.server.bundle.v1.Bundle: the own bundle for everybody, federated bundles for agents and administrators.
#include <fmt/format.h>

#include "deploy/devserver/services/messages.h"
#include "deploy/devserver/services/rules.h"
#include "spire/api/server/bundle/v1/bundle.pb.h"
#include "spire/api/types/entry.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::bundle::v1;
namespace types = spire::api::types;
using runtime::Error;
using runtime::Result;
using runtime::grpc::MethodKind;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

constexpr std::size_t kFederatedBundlesMax = 10'000;

template <class Request>
types::Bundle masked(types::Bundle bundle, const Request& request) {
  apply_mask(bundle, request.has_output_mask() ? &request.output_mask() : nullptr);
  return bundle;
}

Answer<types::Bundle> get_bundle(ServerContext& context, const Caller&, const v1::GetBundleRequest& request) {
  return masked(own_bundle(context), request);
}

// The name of another trust domain; `doing` names what is not allowed with the own one.
Answer<std::string> other_trust_domain(const ServerContext& context, const std::string& text, std::string_view doing) {
  auto name = agent::TrustDomain::parse(text);
  if (!name) return status_of(StatusCode::kInvalidArgument, "trust domain argument is not valid", &name.error());
  if (*name == context.settings.trust_domain) {
    return Status(StatusCode::kInvalidArgument, fmt::format("{} is not allowed", doing));
  }
  return name->name();
}

Answer<types::Bundle> get_federated(ServerContext& context, const Caller&,
                                    const v1::GetFederatedBundleRequest& request) {
  auto name = other_trust_domain(context, request.trust_domain(),
                                 "getting a federated bundle for the server's own trust domain");
  if (!name) return std::move(name.error());
  BundlePtr bundle = context.datastore.bundles().find(*name);
  if (bundle == nullptr) return Status(StatusCode::kNotFound, "bundle not found");
  return masked(*bundle, request);
}

Answer<v1::CountBundlesResponse> count_bundles(ServerContext& context, const Caller&, const v1::CountBundlesRequest&) {
  v1::CountBundlesResponse response;
  response.set_count(static_cast<int>(context.datastore.bundles().all().size() + 1));  // with the own one
  return response;
}

Answer<v1::ListFederatedBundlesResponse> list_federated(ServerContext& context, const Caller&,
                                                        const v1::ListFederatedBundlesRequest& request) {
  v1::ListFederatedBundlesResponse response;
  const auto& bundles = context.datastore.bundles().all();
  for (auto next = bundles.upper_bound(request.page_token()); next != bundles.end(); ++next) {
    if (request.page_size() > 0 && response.bundles_size() == request.page_size()) {
      response.set_next_page_token(response.bundles(response.bundles_size() - 1).trust_domain());
      break;
    }
    *response.add_bundles() = masked(*next->second, request);
  }
  return response;
}

enum class Storing { kCreate, kSet };

// Inside a write(). A refusal is a status of the result, a failure of the datastore an error.
template <class Request, class OneResult>
Result<void> store_bundle(ServerContext& context, Storing how, types::Bundle bundle, const Request& request,
                          OneResult& out) {
  auto refuse = [&](Status status) {
    set_status(*out.mutable_status(), status);
    return Result<void>();
  };
  auto name =
      other_trust_domain(context, bundle.trust_domain(),
                         how == Storing::kCreate ? "creating a federated bundle for the server's own trust domain"
                                                 : "setting a federated bundle for the server's own trust domain");
  if (!name) return refuse(name.error());
  if (auto ok = check_bundle(bundle); !ok) {
    return refuse(status_of(StatusCode::kInvalidArgument, "failed to convert bundle", &ok.error()));
  }
  bool known = context.datastore.bundles().find(*name) != nullptr;
  if (how == Storing::kCreate && known) return refuse(Status(StatusCode::kAlreadyExists, "bundle already exists"));
  if (!known && context.datastore.bundles().all().size() >= kFederatedBundlesMax) {
    return refuse(Status(StatusCode::kResourceExhausted, "too many federated bundles"));
  }
  bundle.set_trust_domain(*name);
  bundle.clear_wit_authorities();
  auto stored = std::make_shared<types::Bundle>(std::move(bundle));
  STEEPLE_CHECK(context.datastore.bundles().put(stored));
  set_status(*out.mutable_status(), Status::ok());
  *out.mutable_bundle() = masked(*stored, request);
  return {};
}

template <class Request, class Response, Storing kHow>
Answer<Response> batch_store(ServerContext& context, const Caller&, const Request& request) {
  if (request.bundle_size() > kBatchItemsMax) return Status(StatusCode::kInvalidArgument, "too many bundles");
  Response response;
  auto written = context.datastore.write([&]() -> Result<void> {
    for (const types::Bundle& bundle : request.bundle()) {
      STEEPLE_CHECK(store_bundle(context, kHow, bundle, request, *response.add_results()));
    }
    return {};
  });
  if (!written) return status_of(StatusCode::kInternal, "failed to set bundle", &written.error());
  return response;
}

// What the mode says about entries that federate with the trust domain.
Result<void> release_entries(ServerContext& context, const std::string& trust_domain, int mode, Status& refused) {
  std::vector<EntryPtr> federated;
  for (const auto& [id, entry] : context.datastore.entries().index().all()) {
    const auto& names = entry->federates_with();
    if (std::find(names.begin(), names.end(), trust_domain) != names.end()) federated.push_back(entry);
  }
  if (federated.empty()) return {};
  using Request = v1::BatchDeleteFederatedBundleRequest;
  if (mode == Request::RESTRICT) {
    refused =
        Status(StatusCode::kFailedPrecondition,
               fmt::format("failed to delete federated bundle: datastore-sql: cannot delete bundle; federated with {} "
                           "registration entries",
                           federated.size()));
    return {};
  }
  for (const EntryPtr& entry : federated) {
    if (mode == Request::DELETE) {
      STEEPLE_CHECK(context.datastore.entries().erase(entry->id()));
      continue;
    }
    auto changed = std::make_shared<types::Entry>(*entry);
    auto& names = *changed->mutable_federates_with();
    names.erase(std::remove(names.begin(), names.end(), trust_domain), names.end());
    STEEPLE_CHECK(context.datastore.entries().put(std::move(changed)));
  }
  return {};
}

Result<void> delete_bundle(ServerContext& context, const std::string& text, int mode,
                           v1::BatchDeleteFederatedBundleResponse::Result& out) {
  out.set_trust_domain(text);
  auto name = other_trust_domain(context, text, "removing the bundle for the server trust domain");
  Status refused = name ? Status::ok() : name.error();
  if (name && context.datastore.bundles().find(*name) == nullptr)
    refused = Status(StatusCode::kNotFound, "bundle not found");
  if (refused.is_ok()) STEEPLE_CHECK(release_entries(context, *name, mode, refused));
  if (refused.is_ok()) STEEPLE_CHECK(context.datastore.bundles().erase(*name));
  set_status(*out.mutable_status(), refused);
  return {};
}

Answer<v1::BatchDeleteFederatedBundleResponse> delete_federated(ServerContext& context, const Caller&,
                                                                const v1::BatchDeleteFederatedBundleRequest& request) {
  if (!v1::BatchDeleteFederatedBundleRequest::Mode_IsValid(request.mode())) {
    return Status(
        StatusCode::kInvalidArgument,
        fmt::format("failed to parse deletion mode: unhandled delete mode \"{}\"", static_cast<int>(request.mode())));
  }
  v1::BatchDeleteFederatedBundleResponse response;
  auto written = context.datastore.write([&]() -> Result<void> {
    for (const std::string& name : request.trust_domains()) {
      STEEPLE_CHECK(delete_bundle(context, name, request.mode(), *response.add_results()));
    }
    return {};
  });
  if (!written) return status_of(StatusCode::kInternal, "failed to delete federated bundle", &written.error());
  return response;
}

using CreateRequest = v1::BatchCreateFederatedBundleRequest;
using CreateResponse = v1::BatchCreateFederatedBundleResponse;
using SetRequest = v1::BatchSetFederatedBundleRequest;
using SetResponse = v1::BatchSetFederatedBundleResponse;

#define STEEPLE_BUNDLE_RPC(name) "/spire.api.server.bundle.v1.Bundle/" name
constexpr Rpc kRpcs[] = {
    {STEEPLE_BUNDLE_RPC("GetBundle"), MethodKind::kUnary, kAnyone, &unary<v1::GetBundleRequest, get_bundle>},
    {STEEPLE_BUNDLE_RPC("GetFederatedBundle"), MethodKind::kUnary, kLocal | kAdmin | kAgent,
     &unary<v1::GetFederatedBundleRequest, get_federated>},
    {STEEPLE_BUNDLE_RPC("CountBundles"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::CountBundlesRequest, count_bundles>},
    {STEEPLE_BUNDLE_RPC("ListFederatedBundles"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::ListFederatedBundlesRequest, list_federated>},
    {STEEPLE_BUNDLE_RPC("BatchCreateFederatedBundle"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<CreateRequest, batch_store<CreateRequest, CreateResponse, Storing::kCreate>>},
    {STEEPLE_BUNDLE_RPC("BatchSetFederatedBundle"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<SetRequest, batch_store<SetRequest, SetResponse, Storing::kSet>>},
    {STEEPLE_BUNDLE_RPC("BatchDeleteFederatedBundle"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::BatchDeleteFederatedBundleRequest, delete_federated>},
};

}  // namespace

types::Bundle own_bundle(const ServerContext& context) {
  types::Bundle bundle;
  bundle.set_trust_domain(context.settings.trust_domain.name());
  bundle.set_sequence_number(context.authorities.sequence_number());
  for (const AuthorityRecord& authority : context.authorities.all()) {
    std::string material(runtime::as_text(authority.material));
    if (authority.kind == AuthorityKind::kX509) {
      auto* out = bundle.add_x509_authorities();
      out->set_asn1(std::move(material));
      out->set_tainted(authority.tainted);
    } else {
      auto* out = bundle.add_jwt_authorities();
      out->set_public_key(std::move(material));
      out->set_key_id(authority.id);
      out->set_expires_at(authority.not_after);
      out->set_tainted(authority.tainted);
    }
  }
  return bundle;
}

void add_bundle_service(RpcTable& table) { table.add(kRpcs); }

}  // namespace steeple::devserver
