// The attestor `systemd` (attestation 2.4): which unit of the system's service manager a process belongs to, asked over
// the system bus. The manager goes by the process' cgroup, which no process below a unit can leave. A process of no
// unit is an error, as upstream. The process' id cannot come to mean another one meanwhile: the caller's handle is
// checked again before selectors are believed. Owned by the workload engine; close() is awaited before it dies. I/O
// thread only.
#pragma once

#include "attestation/workload/attestor.h"
#include "attestation/workload/systemd/dbus_client.h"

namespace steeple::attestation {

inline constexpr std::string_view kSystemdName = "systemd";
inline constexpr char kSystemBusAddress[] = "unix:path=/var/run/dbus/system_bus_socket";
inline constexpr std::chrono::seconds kSystemdPatience{10};

struct SystemdConfig {
  std::string bus_address = kSystemBusAddress;
};

class SystemdAttestor final : public WorkloadAttestor {
 public:
  SystemdAttestor(const SystemdConfig& config, runtime::Loop& loop);

  std::string_view name() const override { return kSystemdName; }
  runtime::Task<runtime::Result<Selectors>> attest(const runtime::ProcessHandle& process, runtime::Deadline deadline,
                                                   runtime::StopToken stop) override;
  runtime::Task<void> close() override { return bus_.close(); }

  runtime::Task<runtime::Result<Selectors>> find(pid_t pid, runtime::Deadline deadline, runtime::StopToken stop);
  const DbusClient& bus() const { return bus_; }

 private:
  runtime::Task<runtime::Result<std::string>> unit_of(pid_t pid, runtime::Deadline deadline, runtime::StopToken stop);
  runtime::Task<runtime::Result<std::string>> property(std::string unit, std::string name, runtime::Deadline deadline,
                                                       runtime::StopToken stop);
  runtime::Loop& loop_;
  DbusClient bus_;
};

}  // namespace steeple::attestation
