#include "agent/admin/logger_service.h"

#include "agent/admin/unary_answer.h"
#include "agent/endpoints/call_log.h"
#include "spire/api/agent/logger/v1/logger.pb.h"

namespace steeple::agent {

using runtime::LogLevel;
using runtime::Task;
using runtime::grpc::MethodKind;
using runtime::grpc::ServerCall;
using runtime::grpc::Status;
using runtime::grpc::StatusCode;
using spire::api::agent::logger::v1::GetLoggerRequest;
using spire::api::agent::logger::v1::ResetLogLevelRequest;
using spire::api::agent::logger::v1::SetLogLevelRequest;

namespace {

namespace types = spire::api::types;

LoggerService& service_of(void* service) { return *static_cast<LoggerService*>(service); }
Task<Status> get_logger(void* service, ServerCall& call) { return service_of(service).get(call); }
Task<Status> set_log_level(void* service, ServerCall& call) { return service_of(service).set(call); }
Task<Status> reset_log_level(void* service, ServerCall& call) { return service_of(service).reset(call); }

// Both count from panic to trace; the wire's zero means nothing.
types::LogLevel to_wire(LogLevel level) { return static_cast<types::LogLevel>(static_cast<int>(level) + 1); }
LogLevel from_wire(types::LogLevel level) { return static_cast<LogLevel>(static_cast<int>(level) - 1); }

Status refuse(const CallLog& log, const char* text) {
  log.error("Invalid argument: " + std::string(text));
  return Status(StatusCode::kInvalidArgument, text);
}

}  // namespace

void LoggerService::add_to(runtime::grpc::ServiceTable& table) {
  table.add(this, {{"/spire.api.agent.logger.v1.Logger/GetLogger", MethodKind::kUnary, &get_logger},
                   {"/spire.api.agent.logger.v1.Logger/SetLogLevel", MethodKind::kUnary, &set_log_level},
                   {"/spire.api.agent.logger.v1.Logger/ResetLogLevel", MethodKind::kUnary, &reset_log_level}});
}

Task<Status> LoggerService::answer(ServerCall& call) const {
  types::Logger logger;
  logger.set_current_level(to_wire(log_.level()));
  logger.set_launch_level(to_wire(log_.launch_level()));
  return answer_unary(call, std::move(logger));
}

Task<Status> LoggerService::get(ServerCall& call) {
  GetLoggerRequest request;
  if (!parse_request(call, request)) co_return status_text::malformed_unary_request();
  CallLog(log_, call).log(LogLevel::kInfo, "GetLogger Called");
  co_return co_await answer(call);
}

Task<Status> LoggerService::set(ServerCall& call) {
  SetLogLevelRequest request;
  if (!parse_request(call, request)) co_return status_text::malformed_unary_request();
  CallLog log(log_, call);
  const types::LogLevel level = request.new_level();
  if (level == types::UNSPECIFIED) co_return refuse(log, "newLevel value cannot be LogLevel_UNSPECIFIED");
  if (!types::LogLevel_IsValid(level)) co_return refuse(log, "unsupported log level");
  log.log(LogLevel::kInfo, "SetLogLevel Called", {{"new_log_level", to_string(from_wire(level))}});
  log_.set_level(from_wire(level));
  co_return co_await answer(call);
}

Task<Status> LoggerService::reset(ServerCall& call) {
  ResetLogLevelRequest request;
  if (!parse_request(call, request)) co_return status_text::malformed_unary_request();
  CallLog(log_, call)
      .log(LogLevel::kInfo, "ResetLogLevel Called", {{"launch_log_level", to_string(log_.launch_level())}});
  log_.set_level(log_.launch_level());
  co_return co_await answer(call);
}

}  // namespace steeple::agent
