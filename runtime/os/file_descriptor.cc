#include "runtime/os/file_descriptor.h"

#include <unistd.h>

namespace steeple::runtime {

void FileDescriptor::reset() {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

}  // namespace steeple::runtime
