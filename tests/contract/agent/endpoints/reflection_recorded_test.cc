// What the stock agent's reflection answered, asked again of ours over both engines.
#include <catch2/catch.hpp>

#include "agent/proto/descriptors.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "runtime/grpc/reflection.h"
#include "tests/fakes/endpoint_world.h"
#include "tests/fakes/recorded_calls.h"

using namespace steeple::agent;
using namespace steeple::runtime;
using namespace steeple::tests;
using ::grpc::reflection::v1::ServerReflectionRequest;
using ::grpc::reflection::v1::ServerReflectionResponse;
using Json = RecordedCall::Json;

namespace {

Task<steeple::runtime::grpc::Status> nothing(void*, steeple::runtime::grpc::ServerCall&) {
  co_return steeple::runtime::grpc::Status::ok();
}

ServerReflectionRequest request_of(const Json& recorded) {
  ServerReflectionRequest request;
  request.set_host(recorded.get<std::string>("host", ""));
  if (auto text = recorded.get_optional<std::string>("listServices")) request.set_list_services(*text);
  if (auto text = recorded.get_optional<std::string>("fileByFilename")) request.set_file_by_filename(*text);
  if (auto text = recorded.get_optional<std::string>("fileContainingSymbol")) request.set_file_containing_symbol(*text);
  if (auto extension = recorded.get_child_optional("fileContainingExtension")) {
    request.mutable_file_containing_extension()->set_containing_type(extension->get<std::string>("containingType"));
    request.mutable_file_containing_extension()->set_extension_number(extension->get<int>("extensionNumber"));
  }
  return request;
}

void check_response(const ServerReflectionResponse& response, const Json& recorded) {
  CHECK(response.valid_host() == recorded.get<std::string>("valid_host", ""));
  if (auto services = recorded.get_child_optional("list_services_response.service")) {
    std::vector<std::string> expected, listed;
    for (const auto& [unused, service] : *services) expected.push_back(service.get<std::string>("name"));
    for (const auto& service : response.list_services_response().service()) listed.push_back(service.name());
    CHECK(listed == expected);
  }
  if (auto error = recorded.get_child_optional("error_response")) {
    CHECK(response.error_response().error_code() == error->get<int>("error_code"));
    CHECK(response.error_response().error_message() == error->get<std::string>("error_message"));
  }
  if (auto files = recorded.get_child_optional("file_descriptor_response.file_descriptor_proto")) {
    // The recorded ones were workload.proto and the file that it imports.
    REQUIRE(files->size() == 2);
    const auto& sent = response.file_descriptor_response().file_descriptor_proto();
    REQUIRE(sent.size() == 2);
    CHECK(sent[0].starts_with("\n\x0eworkload.proto"));
    CHECK(sent[1].starts_with("\n\x1cgoogle/protobuf/struct.proto"));
  }
}

}  // namespace

TEST_CASE("Reflection answers as recorded") {
  std::vector<RecordedCall> calls = read_recorded_calls(std::string(STEEPLE_TEST_DATA) + "/grpc/reflection.jsonl");
  REQUIRE(calls.size() == 12);
  for (Backend backend : available_backends()) {
    Loop loop;
    steeple::runtime::grpc::ServiceTable table;
    steeple::runtime::grpc::ReflectionService reflection(table, public_descriptors());
    for (const char* path : {"/SpiffeWorkloadAPI/FetchX509SVID", "/grpc.health.v1.Health/Check",
                             "/envoy.service.secret.v3.SecretDiscoveryService/FetchSecrets"})
      table.add(nullptr, {{path, steeple::runtime::grpc::MethodKind::kUnary, &nothing}});
    reflection.add_to(table);
    EndpointWorld world(loop, backend, table, Logger());
    for (RecordedCall& call : calls) {
      INFO(call.id());
      const ServerReflectionRequest request = request_of(call.json.get_child("request"));
      call.encoded_request = to_bytes(as_bytes(request.SerializeAsString()));
      CallOutcome outcome = run_until_done(loop, make_recorded_call(world.channel(), call));
      REQUIRE(outcome.status);
      CHECK(to_string(outcome.status->code()) == call.code());
      CHECK(outcome.status->message() == call.message());
      const Json* recorded = call.first_message();
      REQUIRE((recorded != nullptr) == outcome.message.has_value());
      if (!recorded) continue;
      ServerReflectionResponse response;
      REQUIRE(response.ParseFromArray(outcome.message->data(), static_cast<int>(outcome.message->size())));
      CHECK(response.original_request().SerializeAsString() == request.SerializeAsString());
      check_response(response, *recorded);
    }
  }
}

TEST_CASE("Every served service is described, with all that its file imports") {
  auto index = steeple::runtime::grpc::DescriptorIndex::read(public_descriptors());
  REQUIRE(index);
  for (const char* symbol :
       {"SpiffeWorkloadAPI", "SpiffeWorkloadAPI.FetchJWTSVID", "X509SVIDResponse.svids",
        "envoy.service.secret.v3.SecretDiscoveryService.StreamSecrets", "grpc.health.v1.HealthCheckResponse.SERVING",
        "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflectionRequest.message_request"}) {
    INFO(symbol);
    const auto* file = index->file_of_symbol(symbol);
    REQUIRE(file);
    std::vector<const steeple::runtime::grpc::DescriptorIndex::File*> open{file};
    while (!open.empty()) {
      const auto* next = open.back();
      open.pop_back();
      for (std::string_view name : next->imports) {
        REQUIRE(index->file(name));
        open.push_back(index->file(name));
      }
    }
  }
}
