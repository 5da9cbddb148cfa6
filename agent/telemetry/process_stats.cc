#include "agent/telemetry/process_stats.h"

#include <malloc.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <sstream>

#include "agent/telemetry/metric_text.h"
#include "runtime/os/file.h"

namespace steeple::agent {
namespace {

constexpr std::size_t kProcFileMax = 64 * 1024;

std::string read_proc(const std::string& path) { return runtime::read_file(path, kProcFileMax).value_or(""); }

double limit_of(decltype(RLIMIT_AS) which) {
  rlimit limit{};
  return ::getrlimit(which, &limit) == 0 ? static_cast<double>(limit.rlim_cur) : 0;
}

double seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
}

double open_descriptors() {
  std::error_code failed;
  double count = -1;  // the directory's own
  for (auto at = std::filesystem::directory_iterator("/proc/self/fd", failed);
       !failed && at != std::filesystem::directory_iterator(); at.increment(failed)) {
    ++count;
  }
  return count;
}

// A column of the second `IpExt:` line, named in the first.
double network_octets(const std::string& text, const std::string& column) {
  std::istringstream lines(text);
  std::string names, values;
  while (std::getline(lines, names) && std::getline(lines, values)) {
    if (!names.starts_with("IpExt:")) continue;
    std::istringstream name_words(names), value_words(values);
    std::string name, value;
    while (name_words >> name && value_words >> value)
      if (name == column) return std::strtod(value.c_str(), nullptr);
  }
  return 0;
}

}  // namespace

ProcessStats read_process_stats() {
  ProcessStats stats;
  const struct mallinfo2 heap = ::mallinfo2();
  stats.allocated_bytes = static_cast<double>(heap.uordblks + heap.hblkhd);
  stats.system_bytes = static_cast<double>(heap.arena + heap.hblkhd);
  stats.objects = runtime::heap_counts();
  const std::string status = read_proc("/proc/self/status");
  const std::size_t at = status.find("Threads:");
  if (at != std::string::npos) stats.threads = std::strtod(status.c_str() + at + 8, nullptr);
  return stats;
}

std::string process_families(runtime::WallTime started) {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  double pages = 0, resident = 0;
  std::istringstream(read_proc("/proc/self/statm")) >> pages >> resident;
  const double page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  const std::string network = read_proc("/proc/self/net/netstat");
  const double start = std::chrono::duration<double>(started.time_since_epoch()).count();
  return prometheus_family("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
                           seconds(used.ru_utime) + seconds(used.ru_stime)) +
         prometheus_family("process_max_fds", "gauge", "Maximum number of open file descriptors.",
                           limit_of(RLIMIT_NOFILE)) +
         prometheus_family("process_network_receive_bytes_total", "counter",
                           "Number of bytes received by the process over the network.",
                           network_octets(network, "InOctets")) +
         prometheus_family("process_network_transmit_bytes_total", "counter",
                           "Number of bytes sent by the process over the network.",
                           network_octets(network, "OutOctets")) +
         prometheus_family("process_open_fds", "gauge", "Number of open file descriptors.", open_descriptors()) +
         prometheus_family("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
                           resident * page) +
         prometheus_family("process_start_time_seconds", "gauge",
                           "Start time of the process since unix epoch in seconds.", start) +
         prometheus_family("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", pages * page) +
         prometheus_family("process_virtual_memory_max_bytes", "gauge",
                           "Maximum amount of virtual memory available in bytes.", limit_of(RLIMIT_AS));
}

}  // namespace steeple::agent
