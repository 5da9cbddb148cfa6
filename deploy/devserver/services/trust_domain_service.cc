// spire.api.server.trustdomain.v1.TrustDomain: federation relationships made while the server runs, and the refresh of
// a bundle on demand. A batch is one transaction; each relationship has its own result.
#include <fmt/format.h>

#include "deploy/devserver/federation/federation_manager.h"
#include "deploy/devserver/services/messages.h"
#include "deploy/devserver/services/rules.h"
#include "google/protobuf/empty.pb.h"
#include "spire/api/server/trustdomain/v1/trustdomain.pb.h"
#include "spire/api/types/bundle.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::trustdomain::v1;
namespace types = spire::api::types;
using runtime::Error;
using runtime::Result;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;

constexpr std::size_t kRelationshipsMax = 10'000;

template <class Request>
const types::FederationRelationshipMask* output_mask(const Request& request) {
  return request.has_output_mask() ? &request.output_mask() : nullptr;
}

// With the bundle that is known of the trust domain.
types::FederationRelationship shown(ServerContext& context, types::FederationRelationship relationship,
                                    const types::FederationRelationshipMask* mask) {
  if (BundlePtr bundle = context.datastore.bundles().find(relationship.trust_domain())) {
    *relationship.mutable_trust_domain_bundle() = *bundle;
  }
  apply_mask(relationship, mask);
  return relationship;
}

Answer<v1::ListFederationRelationshipsResponse> list(ServerContext& context, const Caller&,
                                                     const v1::ListFederationRelationshipsRequest& request) {
  v1::ListFederationRelationshipsResponse response;
  const auto& all = context.datastore.relationships().all();
  std::string last = request.page_token();
  for (auto next = all.upper_bound(last); next != all.end(); ++next) {
    if (request.page_size() > 0 && response.federation_relationships_size() == request.page_size()) {
      response.set_next_page_token(last);
      break;
    }
    last = next->first;
    *response.add_federation_relationships() = shown(context, *next->second, output_mask(request));
  }
  return response;
}

Answer<types::FederationRelationship> get(ServerContext& context, const Caller&,
                                          const v1::GetFederationRelationshipRequest& request) {
  auto name = agent::TrustDomain::parse(request.trust_domain());
  if (!name) return status_of(StatusCode::kInvalidArgument, "failed to parse trust domain", &name.error());
  RelationshipPtr known = context.datastore.relationships().find(name->name());
  if (known == nullptr) return Status(StatusCode::kNotFound, "federation relationship does not exist");
  return shown(context, *known, output_mask(request));
}

// The relationship, and the bundle that came with it.
Result<void> store(ServerContext& context, types::FederationRelationship relationship) {
  if (relationship.has_trust_domain_bundle()) {
    auto bundle = std::make_shared<types::Bundle>(std::move(*relationship.mutable_trust_domain_bundle()));
    STEEPLE_CHECK(context.datastore.bundles().put(std::move(bundle)));
    relationship.clear_trust_domain_bundle();
  }
  auto stored = std::make_shared<types::FederationRelationship>(std::move(relationship));
  return context.datastore.relationships().put(std::move(stored));
}

// Inside a write(). A refusal is a status of the result, a failure of the datastore an error.
template <class Request, class OneResult>
Result<void> create_one(ServerContext& context, types::FederationRelationship relationship, const Request& request,
                        OneResult& out) {
  auto refuse = [&](const Status& status) {
    set_status(*out.mutable_status(), status);
    return Result<void>();
  };
  if (auto ok = check_relationship(relationship, nullptr); !ok) {
    return refuse(status_of(StatusCode::kInvalidArgument, "failed to convert federation relationship", &ok.error()));
  }
  if (relationship.trust_domain() == context.settings.trust_domain.name()) {
    return refuse(
        Status(StatusCode::kInvalidArgument, "unable to create federation relationship for server trust domain"));
  }
  const auto& known = context.datastore.relationships();
  if (known.find(relationship.trust_domain()) != nullptr) {
    Error taken(runtime::ErrorCode::kAlreadyExists,
                "datastore-sql: UNIQUE constraint failed: federated_trust_domains.trust_domain");
    return refuse(status_of(StatusCode::kInternal, "failed to create federation relationship", &taken));
  }
  if (known.all().size() >= kRelationshipsMax) {
    return refuse(Status(StatusCode::kResourceExhausted, "too many federation relationships"));
  }
  types::FederationRelationship answer = relationship;
  STEEPLE_CHECK(store(context, std::move(relationship)));
  set_status(*out.mutable_status(), Status::ok());
  *out.mutable_federation_relationship() = shown(context, std::move(answer), output_mask(request));
  return {};
}

template <class Request, class OneResult>
Result<void> update_one(ServerContext& context, types::FederationRelationship change, const Request& request,
                        OneResult& out) {
  const types::FederationRelationshipMask* mask = request.has_input_mask() ? &request.input_mask() : nullptr;
  // As in SPIRE, a relationship is checked whole, whatever the mask says.
  if (auto ok = check_relationship(change, nullptr); !ok) {
    set_status(*out.mutable_status(),
               status_of(StatusCode::kInvalidArgument, "failed to convert federation relationship", &ok.error()));
    return {};
  }
  RelationshipPtr known = context.datastore.relationships().find(change.trust_domain());
  if (known == nullptr) {
    Error missing(runtime::ErrorCode::kNotFound, "unable to fetch federation relationship: record not found");
    set_status(*out.mutable_status(),
               status_of(StatusCode::kInternal, "failed to update federation relationship", &missing));
    return {};
  }
  types::FederationRelationship merged = *known;
  merge_relationship(merged, change, mask);
  if (change.has_trust_domain_bundle() && (mask == nullptr || mask->trust_domain_bundle())) {
    *merged.mutable_trust_domain_bundle() = change.trust_domain_bundle();
  }
  types::FederationRelationship answer = merged;
  STEEPLE_CHECK(store(context, std::move(merged)));
  set_status(*out.mutable_status(), Status::ok());
  *out.mutable_federation_relationship() = shown(context, std::move(answer), output_mask(request));
  return {};
}

Result<void> delete_one(ServerContext& context, const std::string& text,
                        v1::BatchDeleteFederationRelationshipResponse::Result& out) {
  out.set_trust_domain(text);
  auto name = agent::TrustDomain::parse(text);
  Status status;
  if (text.empty()) {
    status = Status(StatusCode::kInvalidArgument, "missing trust domain");
  } else if (!name) {
    status = status_of(StatusCode::kInvalidArgument, "failed to parse trust domain", &name.error());
  } else {
    out.set_trust_domain(name->name());
    if (context.datastore.relationships().find(name->name()) == nullptr) {
      status = Status(StatusCode::kNotFound, "federation relationship not found");
    } else {
      STEEPLE_CHECK(context.datastore.relationships().erase(name->name()));
    }
  }
  set_status(*out.mutable_status(), status);
  return {};
}

template <class Response, class Items, class One>
Answer<Response> batch(ServerContext& context, const Items& items, One one) {
  if (items.size() > kBatchItemsMax) return Status(StatusCode::kInvalidArgument, "too many federation relationships");
  Response response;
  auto written = context.datastore.write([&]() -> Result<void> {
    for (const auto& item : items) STEEPLE_CHECK(one(item, *response.add_results()));
    return {};
  });
  if (!written) return status_of(StatusCode::kInternal, "failed to store federation relationships", &written.error());
  if (context.federation != nullptr) context.federation->reload();
  return response;
}

Answer<v1::BatchCreateFederationRelationshipResponse> create(
    ServerContext& context, const Caller&, const v1::BatchCreateFederationRelationshipRequest& request) {
  using Response = v1::BatchCreateFederationRelationshipResponse;
  return batch<Response>(context, request.federation_relationships(),
                         [&](const auto& item, auto& out) { return create_one(context, item, request, out); });
}

Answer<v1::BatchUpdateFederationRelationshipResponse> update(
    ServerContext& context, const Caller&, const v1::BatchUpdateFederationRelationshipRequest& request) {
  using Response = v1::BatchUpdateFederationRelationshipResponse;
  return batch<Response>(context, request.federation_relationships(),
                         [&](const auto& item, auto& out) { return update_one(context, item, request, out); });
}

Answer<v1::BatchDeleteFederationRelationshipResponse> remove(
    ServerContext& context, const Caller&, const v1::BatchDeleteFederationRelationshipRequest& request) {
  using Response = v1::BatchDeleteFederationRelationshipResponse;
  return batch<Response>(context, request.trust_domains(),
                         [&](const auto& item, auto& out) { return delete_one(context, item, out); });
}

runtime::Task<Status> refresh(ServerContext& context, ServerCall& call, const Caller&) {
  v1::RefreshBundleRequest request;
  if (!decode(request, call.request())) co_return malformed_message();
  auto name = agent::TrustDomain::parse(request.trust_domain());
  if (!name) co_return status_of(StatusCode::kInvalidArgument, "failed to parse trust domain", &name.error());
  auto refreshed = co_await context.federation->refresh(*name, call.stop());
  if (!refreshed) co_return status_of(StatusCode::kInternal, "failed to refresh bundle", &refreshed.error());
  if (!*refreshed) {
    co_return Status(StatusCode::kNotFound, fmt::format("no relationship with trust domain \"{}\"", name->name()));
  }
  co_return co_await send(call, encode(google::protobuf::Empty()));
}

#define STEEPLE_TRUST_DOMAIN_RPC(name) "/spire.api.server.trustdomain.v1.TrustDomain/" name
constexpr Rpc kRpcs[] = {
    {STEEPLE_TRUST_DOMAIN_RPC("ListFederationRelationships"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::ListFederationRelationshipsRequest, list>},
    {STEEPLE_TRUST_DOMAIN_RPC("GetFederationRelationship"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::GetFederationRelationshipRequest, get>},
    {STEEPLE_TRUST_DOMAIN_RPC("BatchCreateFederationRelationship"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::BatchCreateFederationRelationshipRequest, create>},
    {STEEPLE_TRUST_DOMAIN_RPC("BatchUpdateFederationRelationship"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::BatchUpdateFederationRelationshipRequest, update>},
    {STEEPLE_TRUST_DOMAIN_RPC("BatchDeleteFederationRelationship"), MethodKind::kUnary, kLocal | kAdmin,
     &unary<v1::BatchDeleteFederationRelationshipRequest, remove>},
    {STEEPLE_TRUST_DOMAIN_RPC("RefreshBundle"), MethodKind::kUnary, kLocal | kAdmin, &refresh},
};

}  // namespace

void add_trust_domain_service(RpcTable& table) { table.add(kRpcs); }

}  // namespace steeple::devserver
