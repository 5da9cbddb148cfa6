#include "attestation/workload/systemd/systemd_attestor.h"

#include <fmt/format.h>

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::ProcessHandle;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr char kManagerName[] = "org.freedesktop.systemd1";
constexpr char kManagerPath[] = "/org/freedesktop/systemd1";
constexpr char kManagerInterface[] = "org.freedesktop.systemd1.Manager";
constexpr char kUnitInterface[] = "org.freedesktop.systemd1.Unit";
constexpr char kPropertiesInterface[] = "org.freedesktop.DBus.Properties";

DbusMessage call_of(std::string path, std::string interface, std::string member, const DbusBody& body) {
  DbusMessage call;
  call.destination = kManagerName;
  call.path = std::move(path);
  call.interface = std::move(interface);
  call.member = std::move(member);
  call.signature = body.signature();
  call.body = body.bytes();
  return call;
}

// Why there is no answer, or what an answer that is an error says; nothing: it is none.
std::optional<std::string> failure_of(const Result<DbusMessage>& answer) {
  if (!answer) return answer.error().message();
  if (answer->type == DbusMessage::Type::kReply) return std::nullopt;
  return answer->text().value_or(answer->error_name);
}

}  // namespace

SystemdAttestor::SystemdAttestor(const SystemdConfig& config, runtime::Loop& loop)
    : loop_(loop), bus_(loop, config.bus_address) {}

Task<Result<Selectors>> SystemdAttestor::attest(const ProcessHandle& process, Deadline deadline, StopToken stop) {
  co_return co_await find(process.pid(), deadline, stop);
}

Task<Result<Selectors>> SystemdAttestor::find(pid_t pid, Deadline deadline, StopToken stop) {
  deadline = deadline.sooner(Deadline::after(loop_.now(), kSystemdPatience));
  Result<void> opened = co_await bus_.open(deadline, stop);
  if (!opened) co_return Error(ErrorCode::kInternal, "failed to open dbus connection: " + opened.error().message());
  Result<std::string> unit = co_await unit_of(pid, deadline, stop);
  if (!unit) co_return std::move(unit.error());
  Result<std::string> id = co_await property(*unit, "Id", deadline, stop);
  if (!id) co_return std::move(id.error());
  Result<std::string> path = co_await property(*unit, "FragmentPath", deadline, stop);
  if (!path) co_return std::move(path.error());
  const std::string type(kSystemdName);
  co_return Selectors({{type, "id:" + *id}, {type, "fragment_path:" + *path}});
}

// The unit's object on the bus.
Task<Result<std::string>> SystemdAttestor::unit_of(pid_t pid, Deadline deadline, StopToken stop) {
  const auto failed = [pid](std::string_view why) {
    return Error(ErrorCode::kInternal, fmt::format("failed to get unit by pid {}: {}", pid, why));
  };
  DbusMessage call =
      call_of(kManagerPath, kManagerInterface, "GetUnitByPID", DbusBody().number(static_cast<std::uint32_t>(pid)));
  const Result<DbusMessage> answer = co_await bus_.call(std::move(call), deadline, stop);
  if (const std::optional<std::string> failure = failure_of(answer)) co_return failed(*failure);
  std::optional<std::string> path = answer->text();
  if (!path || !path->starts_with('/')) co_return failed("the answer is no object");
  co_return std::move(*path);
}

Task<Result<std::string>> SystemdAttestor::property(std::string unit, std::string name, Deadline deadline,
                                                    StopToken stop) {
  DbusMessage call = call_of(std::move(unit), kPropertiesInterface, "Get", DbusBody().text(kUnitInterface).text(name));
  const Result<DbusMessage> answer = co_await bus_.call(std::move(call), deadline, stop);
  if (const std::optional<std::string> failure = failure_of(answer)) {
    co_return Error(ErrorCode::kInternal, fmt::format("error getting value for {}: {}", name, *failure));
  }
  std::optional<std::string> value = answer->variant_text();
  if (!value) {
    co_return Error(ErrorCode::kInternal,
                    fmt::format("Returned value for {} was not a string: a value of type {}", name, answer->signature));
  }
  co_return std::move(*value);
}

}  // namespace steeple::attestation
