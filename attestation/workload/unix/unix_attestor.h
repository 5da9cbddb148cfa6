// The attestor `unix` (attestation 2.2): uid, gid and supplementary groups of the process, their names as far as the
// agent's own account files know them, and on request the path and SHA-256 digest of its executable. One read of
// /proc/PID/status per call; digests are remembered by the file's identity and change times. Works without
// CAP_SYS_PTRACE and without /etc/passwd as long as the executable is not asked for. I/O thread only.
#pragma once

#include <cstdint>

#include "attestation/workload/attestor.h"
#include "attestation/workload/unix/file_digester.h"
#include "runtime/os/passwd.h"

namespace steeple::attestation {

inline constexpr std::string_view kUnixName = "unix";

struct UnixConfig {
  bool discover_workload_path = false;
  std::int64_t workload_size_limit = 0;  // bytes; 0: no limit, below 0: no digest, path only
};

class UnixAttestor final : public WorkloadAttestor {
 public:
  // `names` outlives the attestor.
  UnixAttestor(UnixConfig config, runtime::AccountNames& names, runtime::Loop& loop, runtime::WorkerPool& workers);

  std::string_view name() const override { return kUnixName; }
  runtime::Task<runtime::Result<Selectors>> attest(const runtime::ProcessHandle& process, runtime::Deadline deadline,
                                                   runtime::StopToken stop) override;

 private:
  runtime::Task<runtime::Result<void>> add_executable(const runtime::ProcessHandle& process,
                                                      std::vector<Selector>& found, runtime::Deadline deadline,
                                                      runtime::StopToken stop);
  UnixConfig config_;
  runtime::AccountNames& names_;
  FileDigester digester_;
};

}  // namespace steeple::attestation
