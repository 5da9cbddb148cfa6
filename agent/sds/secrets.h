// Which secrets a list of names means for a workload, and their encoded DiscoveryResponse (endpoints 3.2, 3.3). Pure;
// a private key is only ever in memory that is wiped.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "agent/cache/workload_update.h"
#include "runtime/core/shared_bytes.h"
#include "runtime/grpc/status.h"

namespace steeple::agent {

// `sds {}` of the configuration.
struct SdsOptions {
  std::string default_svid_name = "default";
  std::string default_bundle_name = "ROOTCA";
  std::string default_all_bundles_name = "ALL";
  bool disable_spiffe_cert_validation = false;
};

// One secret to be sent: a certificate with its key, or the bundles of a validation context.
struct ChosenSecret {
  std::string name;
  const Identity* identity = nullptr;  // null: a validation context
  std::vector<SharedBundle> bundles;
  bool all_bundles = false;  // named by default_all_bundles_name: one validator for all trust domains
};

// `names` as of wanted_names(). InvalidArgument `workload is not authorized for the requested identities [...]` when
// one is left over. The result refers to `update`.
runtime::Result<std::vector<ChosenSecret>, runtime::grpc::Status> choose_secrets(const WorkloadUpdate& update,
                                                                                 std::span<const std::string> names,
                                                                                 const SdsOptions& options);

// What goes around the secrets.
struct SdsEnvelope {
  std::string version_info;
  std::string type_url;
  std::string nonce;
};

// The DiscoveryResponse with its gRPC prefix; wiped with its last owner.
runtime::Result<runtime::SharedBytes, runtime::grpc::Status> encode_secrets(std::span<const ChosenSecret> secrets,
                                                                            bool spiffe_validator,
                                                                            const SdsEnvelope& envelope);

}  // namespace steeple::agent
