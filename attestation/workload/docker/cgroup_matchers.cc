#include "attestation/workload/docker/cgroup_matchers.h"

#include <fmt/format.h>

#include <algorithm>
#include <set>

#include "attestation/container/cgroup.h"
#include "runtime/core/go_text.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr std::string_view kAny = "*";
constexpr std::string_view kId = "<id>";

std::vector<std::string> pieces_of(std::string_view path) {
  std::vector<std::string> pieces;
  for (;;) {
    const std::size_t slash = path.find('/');
    pieces.emplace_back(path.substr(0, slash));
    if (slash == std::string_view::npos) return pieces;
    path.remove_prefix(slash + 1);
  }
}

bool is_open(const std::string& piece) { return piece == kAny || piece == kId; }

// Could one path match both?
bool overlap(const std::vector<std::string>& a, const std::vector<std::string>& b) {
  const auto same = [](const std::string& x, const std::string& y) { return x == y || is_open(x) || is_open(y); };
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), same);
}

}  // namespace

Result<CgroupMatchers> CgroupMatchers::make(const std::vector<std::string>& texts) {
  std::vector<Pattern> patterns;
  patterns.reserve(texts.size());
  for (const std::string& text : texts) patterns.push_back(pieces_of(text));
  std::set<std::string> ambiguous;
  for (std::size_t a = 0; a < patterns.size(); ++a) {
    for (std::size_t b = a + 1; b < patterns.size(); ++b) {
      if (overlap(patterns[a], patterns[b])) ambiguous.insert({texts[a], texts[b]});
    }
  }
  if (!ambiguous.empty()) {
    std::string list;
    for (const std::string& text : ambiguous) list += (list.empty() ? "" : " ") + runtime::go_quote(text);
    return Error(ErrorCode::kInvalidArgument, fmt::format("dockerfinder: patterns must not be ambiguous: [{}]", list));
  }
  for (std::size_t i = 0; i < patterns.size(); ++i) {
    if (std::count(patterns[i].begin(), patterns[i].end(), kId) == 1) continue;
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("pattern {} must contain the container id token {} exactly once",
                             runtime::go_quote(texts[i]), runtime::go_quote(kId)));
  }
  return CgroupMatchers(std::move(patterns));
}

std::optional<std::string_view> CgroupMatchers::find(std::string_view path) const {
  for (const Pattern& pattern : patterns_) {
    std::string_view rest = path;
    std::optional<std::string_view> id;
    bool matches = true;
    for (std::size_t i = 0; matches && i < pattern.size(); ++i) {
      const std::size_t slash = rest.find('/');
      const std::string_view piece = rest.substr(0, slash);
      const bool last = i + 1 == pattern.size();
      matches = (is_open(pattern[i]) || pattern[i] == piece) && last == (slash == std::string_view::npos);
      if (pattern[i] == kId) id = piece;
      if (slash != std::string_view::npos) rest.remove_prefix(slash + 1);
    }
    if (matches) return id;
  }
  return std::nullopt;
}

Result<std::string> CgroupMatchers::locate(std::string_view cgroup_file) const {
  STEEPLE_TRY(paths, parse_cgroups(cgroup_file));
  bool matched = false;
  std::string_view known;
  for (std::string_view path : paths) {
    const std::optional<std::string_view> id = find(path);
    if (!id) continue;
    matched = true;
    if (known.empty()) {
      known = *id;
    } else if (known != *id) {
      return Error(
          ErrorCode::kFailedPrecondition,
          fmt::format("workloadattestor/docker: multiple container IDs found in cgroups ({}, {})", known, *id));
    }
  }
  if (matched && known.empty()) {
    return Error(ErrorCode::kFailedPrecondition,
                 "workloadattestor/docker: a pattern matched, but no container id was found");
  }
  return std::string(known);
}

}  // namespace steeple::attestation
