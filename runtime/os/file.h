// Files as state: read with a bound, replaced atomically, never lost. Blocking and short; for start-up and state
// writes. Error texts name the system call and the path as Go does ("open /x: permission denied").
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <string>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

namespace steeple::runtime {

// "OPERATION PATH: reason" in the words of Go's standard library, with system_error()'s codes.
Error path_error(std::string_view operation, std::string_view path, int error_number);
// The reason alone, as Go prints an errno: "no such file or directory".
std::string go_errno_text(int error_number);

// kNotFound when there is none, kLimit above `size_max` bytes.
Result<std::string> read_file(const std::string& path, std::size_t size_max);
// The same from an open descriptor, from its current offset. `path` is for the error's text.
Result<std::string> read_descriptor(int fd, std::string_view path, std::size_t size_max);

// PATH.tmp is created or truncated with `mode`, written, synced, closed and renamed to PATH; then the directory is
// synced (server-sync 6.1). A reader sees the old file or the new one; after a crash or a full disk the old one is
// still whole.
Result<void> replace_file(const std::string& path, BytesView content, mode_t mode);

// Renames a damaged file to PATH.damaged-N with the first free N, and gives the new name. Nothing is ever overwritten.
Result<std::string> keep_aside(const std::string& path);

// True only for "does not exist"; any other failure to look says false and leaves the error to the next step.
bool is_missing(const std::string& path);
// With parents, under the umask. An existing directory is left as it is.
Result<void> make_directories(const std::string& path, mode_t mode);
// The directory part of a path, "." when there is none.
std::string parent_directory(std::string_view path);

}  // namespace steeple::runtime
