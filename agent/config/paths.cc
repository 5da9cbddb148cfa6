#include "agent/config/paths.h"

#include <unistd.h>
#include <cerrno>
#include <climits>

#include <vector>

namespace steeple::agent {

std::string clean_path(std::string_view path) {
  const bool rooted = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    path.remove_prefix(slash == std::string_view::npos ? path.size() : slash + 1);
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      parts.push_back(part);
    } else if (!parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (!rooted) {
      parts.push_back(part);
    }
  }
  std::string out = rooted ? "/" : "";
  for (const std::string_view part : parts) {
    if (!out.empty() && out.back() != '/') out.push_back('/');
    out += part;
  }
  return out.empty() ? "." : out;
}

runtime::Result<std::string> absolute_path(std::string_view path) {
  if (path.starts_with('/')) return clean_path(path);
  char here[PATH_MAX];
  if (!getcwd(here, sizeof here)) return runtime::system_error("getwd", errno);
  return join_path(here, path);
}

std::string join_path(std::string_view directory, std::string_view name) {
  if (directory.empty()) return name.empty() ? "" : clean_path(name);
  return clean_path(std::string(directory) + "/" + std::string(name));
}

std::string directory_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return clean_path(slash == std::string_view::npos ? std::string_view() : path.substr(0, slash + 1));
}

}  // namespace steeple::agent
