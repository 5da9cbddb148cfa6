#include "agent/plugin/checksum.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <openssl/evp.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <vector>

#include "runtime/os/file.h"
#include "runtime/os/file_descriptor.h"
#include "runtime/tls/encoding.h"

namespace steeple::agent {

using runtime::Error;
using runtime::ErrorCode;
using runtime::FileDescriptor;
using runtime::Result;

namespace {

constexpr std::size_t kChecksumDigits = 64;
constexpr std::size_t kReadBytes = 256u << 10;

struct FreeDigest {
  void operator()(EVP_MD_CTX* context) const { EVP_MD_CTX_free(context); }
};

Result<std::string> sha256_of(const std::string& path) {
  const FileDescriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return runtime::path_error("open", path, errno);
  const std::unique_ptr<EVP_MD_CTX, FreeDigest> digest(EVP_MD_CTX_new());
  if (!digest || EVP_DigestInit_ex(digest.get(), EVP_sha256(), nullptr) != 1) {
    return Error(ErrorCode::kInternal, "SHA-256 is not available");
  }
  std::vector<unsigned char> buffer(kReadBytes);
  for (;;) {
    const ssize_t size = ::read(file.get(), buffer.data(), buffer.size());
    if (size < 0 && errno == EINTR) continue;
    if (size < 0) return runtime::path_error("read", path, errno);
    if (size == 0) break;
    EVP_DigestUpdate(digest.get(), buffer.data(), static_cast<std::size_t>(size));
  }
  unsigned char sum[EVP_MAX_MD_SIZE];
  unsigned sum_size = 0;
  if (EVP_DigestFinal_ex(digest.get(), sum, &sum_size) != 1) return Error(ErrorCode::kInternal, "SHA-256 failed");
  return runtime::to_hex(runtime::BytesView(sum, sum_size));
}

bool is_hexadecimal(char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'); }

}  // namespace

Result<void> check_checksum_text(const std::string& checksum) {
  if (checksum.size() % 2 != 0 || !std::all_of(checksum.begin(), checksum.end(), is_hexadecimal)) {
    return Error(ErrorCode::kInvalidArgument, "checksum is not a valid hex string");
  }
  if (checksum.size() != kChecksumDigits) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("expected checksum of length {}; got {}", kChecksumDigits, checksum.size()));
  }
  return {};
}

Result<void> verify_checksum(const std::string& path, const std::string& checksum) {
  STEEPLE_TRY(sum, runtime::with_context(sha256_of(path), "error verifying checksum"));
  const auto same = [](char a, char b) { return a == (b >= 'A' && b <= 'F' ? b - 'A' + 'a' : b); };
  if (std::equal(sum.begin(), sum.end(), checksum.begin(), checksum.end(), same)) return {};
  return Error(ErrorCode::kFailedPrecondition, "checksums did not match");
}

}  // namespace steeple::agent
