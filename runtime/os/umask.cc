#include "runtime/os/umask.h"

#include <sys/stat.h>

namespace steeple::runtime {

UmaskChange raise_umask(mode_t least) {
  mode_t before = ::umask(least);
  mode_t now = before | least;
  if (now != least) ::umask(now);
  return UmaskChange(before, now);
}

}  // namespace steeple::runtime
