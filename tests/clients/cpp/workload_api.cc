#include "workload_api.h"

#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <stdexcept>
#include <thread>

namespace {

constexpr std::chrono::seconds kCallTimeout{30};
constexpr std::chrono::milliseconds kRetry{500};

std::shared_ptr<grpc::Channel> connect() {
  const char* socket = std::getenv("SPIFFE_ENDPOINT_SOCKET");
  if (socket == nullptr) throw std::runtime_error("SPIFFE_ENDPOINT_SOCKET is not set");
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 500);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 5000);
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);  // each WorkloadApi has a connection of its own
  return grpc::CreateCustomChannel(socket, grpc::InsecureChannelCredentials(), arguments);
}

void prepare(grpc::ClientContext& context, bool bounded = true) {
  context.AddMetadata("workload.spiffe.io", "true");
  if (bounded) context.set_deadline(std::chrono::system_clock::now() + kCallTimeout);
}

void require(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

template <typename Response, typename Open>
Response first_of(Open open) {
  grpc::ClientContext context;
  prepare(context);
  Response response;
  auto reader = open(context);
  if (reader->Read(&response)) {
    context.TryCancel();
    reader->Finish();
    return response;
  }
  require(reader->Finish());
  throw std::runtime_error("the stream ended without a message");
}

}  // namespace

WorkloadApi::WorkloadApi() : stub_(SpiffeWorkloadAPI::NewStub(connect())) {}

X509SVIDResponse WorkloadApi::x509_svid() {
  return first_of<X509SVIDResponse>([this](auto& context) { return stub_->FetchX509SVID(&context, {}); });
}

JWTBundlesResponse WorkloadApi::jwt_bundles() {
  return first_of<JWTBundlesResponse>([this](auto& context) { return stub_->FetchJWTBundles(&context, {}); });
}

JWTSVID WorkloadApi::jwt_svid(const std::string& audience) {
  grpc::ClientContext context;
  prepare(context);
  JWTSVIDRequest request;
  request.add_audience(audience);
  JWTSVIDResponse response;
  require(stub_->FetchJWTSVID(&context, request, &response));
  if (response.svids().empty()) throw std::runtime_error("no SVID in the response");
  return response.svids(0);
}

std::string WorkloadApi::validate(const std::string& audience, const std::string& token) {
  grpc::ClientContext context;
  prepare(context);
  ValidateJWTSVIDRequest request;
  request.set_audience(audience);
  request.set_svid(token);
  ValidateJWTSVIDResponse response;
  require(stub_->ValidateJWTSVID(&context, request, &response));
  return response.spiffe_id();
}

void WorkloadApi::watch(const std::function<bool(const X509SVIDResponse&)>& each) {
  for (;;) {
    grpc::ClientContext context;
    prepare(context, false);
    auto reader = stub_->FetchX509SVID(&context, {});
    for (X509SVIDResponse response; reader->Read(&response);) {
      if (each(response)) continue;
      context.TryCancel();
      reader->Finish();
      return;
    }
    std::fprintf(stderr, "%s\n", reader->Finish().error_message().c_str());
    std::this_thread::sleep_for(kRetry);
  }
}
