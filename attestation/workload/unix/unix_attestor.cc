#include "attestation/workload/unix/unix_attestor.h"

#include <fmt/format.h>

#include "attestation/workload/unix/process_selectors.h"
#include "runtime/os/procfs.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::FileDescriptor;
using runtime::ProcessHandle;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

// Upstream answers Internal whatever the cause; only a caller that gave up keeps its own code.
Error internal(std::string_view doing, Error cause) {
  bool gave_up = cause.code() == ErrorCode::kCancelled || cause.code() == ErrorCode::kDeadline;
  ErrorCode code = gave_up ? cause.code() : ErrorCode::kInternal;
  return Error(code, std::string(doing) + cause.message());
}

}  // namespace

UnixAttestor::UnixAttestor(UnixConfig config, runtime::AccountNames& names, runtime::Loop& loop,
                           runtime::WorkerPool& workers)
    : config_(config), names_(names), digester_(loop, workers) {}

Task<Result<Selectors>> UnixAttestor::attest(const ProcessHandle& process, Deadline deadline, StopToken stop) {
  Result<std::string> status = process.read_status();
  if (!status && status.error().code() == ErrorCode::kNotFound)
    co_return Error(ErrorCode::kInternal, "failed to get process: process does not exist");
  if (!status) co_return internal("UIDs lookup: ", std::move(status.error()));
  STEEPLE_CO_TRY(found, process_selectors(
                            *status, [this](std::uint32_t id) { return names_.user(id); },
                            [this](std::uint32_t id) { return names_.group(id); }));
  if (config_.discover_workload_path) STEEPLE_CO_CHECK(co_await add_executable(process, found, deadline, stop));
  co_return Selectors(std::move(found));
}

Task<Result<void>> UnixAttestor::add_executable(const ProcessHandle& process, std::vector<Selector>& found,
                                                Deadline deadline, StopToken stop) {
  Result<std::string> path = process.read_link("exe");
  if (!path) co_return internal("path lookup: ", std::move(path.error()));
  found.emplace_back(std::string(kUnixName), "path:" + *path);
  if (config_.workload_size_limit < 0) co_return Result<void>();
  // The opened descriptor is the running file even if its path is another's by now, or lies in another mount namespace.
  Result<FileDescriptor> file = process.open_file("exe");
  if (!file) co_return internal("SHA256 digest: ", std::move(file.error()));
  std::string proc_path = fmt::format("/proc/{}/exe", process.pid());
  Result<std::string> digest =
      co_await digester_.sha256(std::move(*file), std::move(proc_path), config_.workload_size_limit, deadline, stop);
  if (!digest) co_return internal("SHA256 digest: ", std::move(digest.error()));
  found.emplace_back(std::string(kUnixName), "sha256:" + *digest);
  co_return Result<void>();
}

}  // namespace steeple::attestation
