// `api fetch x509 -write`: files are truncated in place and keep the mode they have (config-cli 4.3), since watchers
// and bind mounts of these paths rely on the inode.
#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "agent/cli/x509_response.h"
#include "agent/config/paths.h"
#include "runtime/os/file.h"
#include "runtime/os/file_descriptor.h"

namespace steeple::agent::cli {
namespace {

using runtime::Result;

constexpr mode_t kPublicMode = 0644;
constexpr mode_t kPrivateMode = 0600;

Result<void> write_in_place(const std::string& path, std::string_view content, mode_t mode) {
  const runtime::FileDescriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode));
  if (!file) return runtime::path_error("open", path, errno);
  while (!content.empty()) {
    const ssize_t written = write(file.get(), content.data(), content.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return runtime::path_error("write", path, errno);
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return {};
}

std::string pem_of(const runtime::Certificates& certificates) {
  std::string pem;
  for (const runtime::Certificate& certificate : certificates) pem += runtime::to_pem(certificate);
  return pem;
}

Result<void> write_key(const std::string& path, const runtime::PrivateKey& key) {
  std::string pem = key.to_pem();
  Result<void> written = write_in_place(path, pem, kPrivateMode);
  runtime::wipe_memory(pem.data(), pem.size());
  return written;
}

}  // namespace

Result<void> write_x509_files(const X509Response& response, const std::string& directory, Output& output) {
  for (std::size_t i = 0; i < response.entries.size(); ++i) {
    const X509Entry& entry = response.entries[i];
    std::string path = join_path(directory, fmt::format("svid.{}.pem", i));
    output.out(fmt::format("Writing SVID #{} to file {}.\n", i, path));
    STEEPLE_CHECK(write_in_place(path, pem_of(entry.chain), kPublicMode));
    path = join_path(directory, fmt::format("svid.{}.key", i));
    output.out(fmt::format("Writing key #{} to file {}.\n", i, path));
    STEEPLE_CHECK(write_key(path, entry.key));
    path = join_path(directory, fmt::format("bundle.{}.pem", i));
    output.out(fmt::format("Writing bundle #{} to file {}.\n", i, path));
    STEEPLE_CHECK(write_in_place(path, pem_of(entry.bundle), kPublicMode));
    std::size_t j = 0;
    for (const auto& [id, bundle] : response.federated_bundles) {
      path = join_path(directory, fmt::format("federated_bundle.{}.{}.pem", i, j));
      output.out(fmt::format("Writing federated bundle #{} for trust domain {} to file {}.\n", j++, id, path));
      STEEPLE_CHECK(write_in_place(path, pem_of(bundle), kPublicMode));
    }
  }
  return {};
}

}  // namespace steeple::agent::cli
