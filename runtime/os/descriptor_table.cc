#include "runtime/os/descriptor_table.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>

#include <algorithm>
#include <utility>

#include "runtime/os/file_descriptor.h"

namespace steeple::runtime {

std::optional<rlim_t> raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return std::nullopt;
  const rlim_t before = std::exchange(limit.rlim_cur, limit.rlim_max);
  ::setrlimit(RLIMIT_NOFILE, &limit);
  return before;
}

// The kernel makes the table large enough for the number that is asked for. Where that fails the table grows later.
void reserve_descriptors(unsigned count) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  const auto last = static_cast<int>(std::min<rlim_t>(count, limit.rlim_cur)) - 1;
  const FileDescriptor any(::eventfd(0, EFD_CLOEXEC));
  if (any && last > any.get()) FileDescriptor(::fcntl(any.get(), F_DUPFD_CLOEXEC, last));
}

rlim_t descriptor_limit() {
  static const rlim_t limit = [] {
    rlimit value{};
    return ::getrlimit(RLIMIT_NOFILE, &value) == 0 ? value.rlim_cur : RLIM_INFINITY;
  }();
  return limit;
}

bool is_kept_back(int newest_descriptor) {
  const rlim_t limit = descriptor_limit();
  return static_cast<rlim_t>(newest_descriptor) >= limit - std::min(kDescriptorsKeptBack, limit / 4);
}

bool descriptors_are_left() {
  const FileDescriptor probe(::open("/", O_PATH | O_CLOEXEC));
  return probe && !is_kept_back(probe.get());
}

bool descriptors_are_scarce(int newest) { return static_cast<rlim_t>(newest) > descriptor_limit() / 2; }

}  // namespace steeple::runtime
