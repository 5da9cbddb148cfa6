#include "runtime/grpc/service.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "runtime/core/go_text.h"

namespace steeple::runtime::grpc {
namespace {

// "/package.Service/Method" -> "package.Service"; the slash of a well-formed path is at `method`.
struct PathParts {
  std::string_view service;
  std::string_view method;
  bool well_formed = false;
};

PathParts split(std::string_view path) {
  PathParts parts;
  if (path.empty() || path.front() != '/') return parts;
  path.remove_prefix(1);
  std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return parts;
  parts.service = path.substr(0, slash);
  parts.method = path.substr(slash + 1);
  parts.well_formed = true;
  return parts;
}

}  // namespace

void ServiceTable::add(void* service, std::vector<Method> methods) {
  for (const Method& method : methods) entries_.push_back(Entry{method, service});
  std::sort(entries_.begin(), entries_.end(),
            [](const Entry& a, const Entry& b) { return a.method.path < b.method.path; });
}

const ServiceTable::Entry* ServiceTable::find(std::string_view path) const {
  auto found = std::lower_bound(entries_.begin(), entries_.end(), path,
                                [](const Entry& entry, std::string_view wanted) { return entry.method.path < wanted; });
  return found != entries_.end() && found->method.path == path ? &*found : nullptr;
}

Status ServiceTable::unknown(std::string_view path) const {
  PathParts wanted = split(path);
  if (!wanted.well_formed) {
    return Status(StatusCode::kUnimplemented, fmt::format("malformed method name: {}", go_quote(path)));
  }
  bool service_known = std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
    return split(entry.method.path).service == wanted.service;
  });
  if (!service_known) return Status(StatusCode::kUnimplemented, fmt::format("unknown service {}", wanted.service));
  return Status(StatusCode::kUnimplemented,
                fmt::format("unknown method {} for service {}", wanted.method, wanted.service));
}

std::vector<std::string_view> ServiceTable::service_names() const {
  std::set<std::string_view> names;
  for (const Entry& entry : entries_) names.insert(split(entry.method.path).service);
  return {names.begin(), names.end()};
}

}  // namespace steeple::runtime::grpc
