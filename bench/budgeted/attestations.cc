// Attests this process N times with the attestor `unix`, as an agent does at the start of each call, and nothing else:
// what bench/check_budget counts instructions of.
#include <fmt/format.h>
#include <sys/socket.h>

#include <charconv>
#include <cstdio>

#include "attestation/workload/engine.h"
#include "attestation/workload/table.h"
#include "runtime/core/clock.h"
#include "runtime/os/peer.h"
#include "runtime/task/blocking.h"
#include "runtime/task/worker_pool.h"

namespace {

using namespace steeple::attestation;
using namespace steeple::runtime;

Result<void> attest(unsigned count) {
  SystemClock clock;
  Loop loop;
  auto work = boost::asio::make_work_guard(loop.io());
  AccountNames names(clock, "/nonexistent/passwd", "/nonexistent/group");
  WorkerPool workers(loop, 1, 16);
  const Logger log(make_stdout_sink(), LogLevel::kError, LogFormat::kDefault);
  STEEPLE_TRY(attestor, make_workload_attestor(UnixConfig{}, {loop, workers, names, log}));
  WorkloadEngine::Attestors attestors;
  attestors.push_back(std::move(attestor));
  WorkloadEngine engine(loop, std::move(attestors), log);
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return system_error("socketpair", errno);
  const FileDescriptor ours(pair[0]), theirs(pair[1]);
  STEEPLE_TRY(peer, Peer::of_socket(ours.get()));
  for (unsigned done = 0; done < count; ++done) {
    STEEPLE_TRY(process, ProcessHandle::open(peer));
    STEEPLE_TRY(selectors, run_until_done(loop, engine.attest(process, Deadline::never(), StopToken())));
    STEEPLE_CHECK(process.verify_alive());
    if (selectors.items().empty()) return Error(ErrorCode::kInternal, "no selectors");
  }
  run_until_done(loop, engine.close());
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  unsigned count = 0;
  std::string_view text = argc == 2 ? argv[1] : "";
  if (auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count); error != std::errc()) {
    std::fputs("usage: budgeted_attestations COUNT\n", stderr);
    return 2;
  }
  if (auto done = attest(count); !done) {
    fmt::print(stderr, "budgeted_attestations: {}\n", done.error().message());
    return 1;
  }
  return 0;
}
