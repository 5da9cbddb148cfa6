// An API server's answers: any bytes give a value or an error, and a patch is never more than its parts.
#include <cstdint>
#include <cstdlib>

#include "deploy/devserver/kube/objects.h"
#include "deploy/devserver/notifiers/bundle_objects.h"
#include "runtime/core/bytes.h"

namespace devserver = steeple::devserver;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view json = steeple::runtime::as_text(steeple::runtime::BytesView(data, size));
  static_cast<void>(devserver::parse_token_review(json));
  static_cast<void>(devserver::parse_pod(json));
  static_cast<void>(devserver::parse_node(json));
  auto patch = devserver::config_map_patch(json, "bundle.crt", "PEM");
  if (patch && patch->body.size() > 6 * size + 100) std::abort();
  static_cast<void>(devserver::webhook_patches(json, "PEM"));
  static_cast<void>(devserver::api_service_patches(json, "PEM"));
  return 0;
}
