// What is read about a caller and its pod.
// Limits: the kernel's own work for one file of /proc is 7 us (status, cgroup) in a virtual machine; a scan of JSON for
// its brackets runs at 3 GB/s (simdjson), so 4 MB of pods are 1.4 ms before anything is made of them.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <sys/socket.h>

#include "attestation/container/container_locator.h"
#include "attestation/workload/k8s/pod_index.h"
#include "runtime/os/peer.h"
#include "runtime/os/process_handle.h"
#include "runtime/os/procfs.h"

namespace {

using namespace steeple::runtime;
using namespace steeple::attestation;

ProcessHandle own_process() {
  int pair[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) std::abort();
  const FileDescriptor ours(pair[0]), theirs(pair[1]);
  Result<Peer> peer = Peer::of_socket(ours.get());
  return *ProcessHandle::open(*peer);
}

void read_proc_status(benchmark::State& state) {
  const ProcessHandle process = own_process();
  for (auto _ : state) {
    Result<std::string> text = process.read("status", kProcStatusBytesMax);
    benchmark::DoNotOptimize(parse_proc_status(*text));
  }
}
BENCHMARK(read_proc_status)->Unit(benchmark::kMicrosecond);

void open_and_check_process(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(own_process().verify_alive());
}
BENCHMARK(open_and_check_process)->Unit(benchmark::kMicrosecond);

constexpr const char* kCgroup =
    "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod2c48913c_b29f_11e7_9350_020968147796.slice/"
    "cri-containerd-9bca8d63d5fa610783847915bcff0ecac1273e5b4bed3f6fa1b07350e0135961.scope\n";

void container_of_cgroup_v2(benchmark::State& state) {
  for (auto _ : state) benchmark::DoNotOptimize(locate_container(kCgroup, LocatePods::kYes));
}
BENCHMARK(container_of_cgroup_v2);

// 8 KB for each pod, as on an ordinary node.
std::string pod_list(int pods) {
  std::string out = R"({"kind":"PodList","apiVersion":"v1","metadata":{},"items":[)";
  for (int number = 0; number < pods; ++number) {
    std::string conditions;
    while (conditions.size() < 7400)
      conditions +=
          R"({"type":"Ready","status":"True","lastProbeTime":null,"lastTransitionTime":"2026-01-02T03:04:05Z"},)";
    conditions.pop_back();
    out += fmt::format(
        R"({}{{"metadata":{{"name":"pod-{}","namespace":"default","uid":"2c48913c-b29f-11e7-9350-{:012x}",)"
        R"("labels":{{"app":"app-{}"}}}},)"
        R"("spec":{{"serviceAccountName":"service","nodeName":"node-1",)"
        R"("containers":[{{"name":"main","image":"app:1.0"}}]}},)"
        R"("status":{{"phase":"Running","conditions":[{}],"containerStatuses":[{{"name":"main","image":"app:1.0",)"
        R"("imageID":"app@sha256:{:064x}","containerID":"containerd://{:064x}"}}]}}}})",
        number == 0 ? "" : ",", number, number, number, conditions, number, number);
  }
  return out + "]}";
}

void read_list(PodListReader& reader, const std::string& body) {
  reader.begin();
  if (!reader.feed(body)) std::abort();
  Result<std::shared_ptr<const PodIndex>> index = reader.finish();
  if (!index || (*index)->pods() != 500) std::abort();
}

void pod_list_of_500_first_time(benchmark::State& state) {
  const std::string body = pod_list(500);
  for (auto _ : state) {
    PodListReader reader;
    read_list(reader, body);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK(pod_list_of_500_first_time)->Unit(benchmark::kMillisecond);

// Pods that have not changed are not parsed again.
void pod_list_of_500_again(benchmark::State& state) {
  const std::string body = pod_list(500);
  PodListReader reader;
  read_list(reader, body);
  for (auto _ : state) read_list(reader, body);
  state.SetBytesProcessed(static_cast<std::int64_t>(state.iterations() * body.size()));
}
BENCHMARK(pod_list_of_500_again)->Unit(benchmark::kMillisecond);

}  // namespace
