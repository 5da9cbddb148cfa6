// The JSON of what k8sbundle reads and writes: ConfigMaps, webhook configurations, API services, and the patches that
// put the bundle into them (attestation 4.1). Patches are strategic merges that carry the version read. Sans I/O, any
// thread. Errors are kMalformed and kLimit.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::devserver {

struct BundlePatch {
  std::string name;  // of the object
  std::string body;  // empty: it holds the bundle already
};

runtime::Result<BundlePatch> config_map_patch(std::string_view config_map, std::string_view key, std::string_view pem);
std::string new_config_map(std::string_view name_space, std::string_view name, std::string_view key,
                           std::string_view pem);

// One for each item of the list.
runtime::Result<std::vector<BundlePatch>> webhook_patches(std::string_view list, std::string_view pem);
runtime::Result<std::vector<BundlePatch>> api_service_patches(std::string_view list, std::string_view pem);

}  // namespace steeple::devserver
