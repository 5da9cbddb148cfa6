#include "attestation/workload/unix/process_selectors.h"

#include <fmt/format.h>

#include "attestation/workload/unix/unix_attestor.h"
#include "runtime/os/procfs.h"

namespace steeple::attestation {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

std::string with_number(std::string_view kind, std::uint32_t id) {
  fmt::format_int digits(id);
  std::string value;
  value.reserve(kind.size() + digits.size());
  value += kind;
  value.append(digits.data(), digits.size());
  return value;
}

void add(std::vector<Selector>& found, std::string value) {
  found.emplace_back(std::string(kUnixName), std::move(value));
}

void add_id(std::vector<Selector>& found, std::string_view id_kind, std::string_view name_kind, std::uint32_t id,
            const NameOfId& name_of) {
  add(found, with_number(id_kind, id));
  if (std::optional<std::string> name = name_of(id)) add(found, std::string(name_kind) + *name);
}

}  // namespace

Result<std::vector<Selector>> process_selectors(std::string_view status_file, const NameOfId& user_name,
                                                const NameOfId& group_name) {
  Result<runtime::ProcStatus> status = runtime::parse_proc_status(status_file);
  if (!status) {
    const std::string& why = status.error().message();
    bool groups = why.find("Groups") != std::string::npos;
    bool gid = why.find("Gid") != std::string::npos;
    std::string_view lookup = groups ? "supplementary GIDs lookup: " : gid ? "GIDs lookup: " : "UIDs lookup: ";
    return Error(ErrorCode::kInternal, std::string(lookup) + why);
  }
  std::vector<Selector> found;
  found.reserve(4 + 2 * status->groups.size());
  add_id(found, "uid:", "user:", status->uid.effective, user_name);
  add_id(found, "gid:", "group:", status->gid.effective, group_name);
  for (gid_t group : status->groups) add_id(found, "supplementary_gid:", "supplementary_group:", group, group_name);
  return found;
}

}  // namespace steeple::attestation
