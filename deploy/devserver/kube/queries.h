// What node attestation asks an API server, in client-go's words for what went wrong (attestation 3.3, 3.4).
#pragma once

#include "deploy/devserver/kube/api.h"
#include "deploy/devserver/kube/objects.h"

namespace steeple::devserver {

// An error when the API server says one, and when an authenticated token is for none of the audiences asked for.
runtime::Task<runtime::Result<TokenReview>> review_token(KubeApi& api, std::string_view token,
                                                         std::vector<std::string> audiences, runtime::Deadline deadline,
                                                         runtime::StopToken stop);
runtime::Task<runtime::Result<KubePod>> find_pod(KubeApi& api, std::string name_space, std::string name,
                                                 runtime::Deadline deadline, runtime::StopToken stop);
runtime::Task<runtime::Result<KubeNode>> find_node(KubeApi& api, std::string name, runtime::Deadline deadline,
                                                   runtime::StopToken stop);

}  // namespace steeple::devserver
