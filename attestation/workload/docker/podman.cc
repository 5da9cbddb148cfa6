#include "attestation/workload/docker/podman.h"

#include <charconv>
#include <cstdint>
#include <optional>

#include "attestation/container/cgroup.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::string_view kSliceBegin = "/user-";
constexpr std::string_view kSliceEnd = ".slice/";

bool is_podman(std::string_view path) {
  return path.find("libpod-") != std::string_view::npos || path.find("/libpod/") != std::string_view::npos;
}

// The number of the first "/user-N.slice/".
std::optional<std::uint32_t> slice_owner(std::string_view path) {
  for (std::size_t at = path.find(kSliceBegin); at != std::string_view::npos; at = path.find(kSliceBegin, at + 1)) {
    const std::string_view rest = path.substr(at + kSliceBegin.size());
    std::uint32_t number = 0;
    const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
    const std::string_view after = rest.substr(static_cast<std::size_t>(end - rest.data()));
    if (error == std::errc() && after.starts_with(kSliceEnd)) return number;
  }
  return std::nullopt;
}

std::string expand(std::string_view text, std::uint32_t number) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%' || i + 1 == text.size()) {
      out += text[i];
    } else if (text[++i] == 'd') {
      out += std::to_string(number);
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace

Result<void> check_podman_template(std::string_view text) {
  int places = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') continue;
    if (++i == text.size()) return Error(ErrorCode::kInvalidArgument, "trailing % at end of template");
    if (text[i] == 'd') {
      ++places;
    } else if (text[i] != '%') {
      return Error(ErrorCode::kInvalidArgument, "template only supports escaped %% or the %d UID placeholder");
    }
  }
  if (places != 1) return Error(ErrorCode::kInvalidArgument, "template must contain exactly one %d UID placeholder");
  return {};
}

Result<std::string> podman_host_of(std::string_view cgroup_file, const DockerConfig& config) {
  STEEPLE_TRY(paths, parse_cgroups(cgroup_file));
  for (std::string_view path : paths) {
    if (!is_podman(path)) continue;
    const std::optional<std::uint32_t> owner = slice_owner(path);
    return owner ? expand(config.podman_host_template, *owner) : config.podman_host;
  }
  return std::string();
}

}  // namespace steeple::attestation
