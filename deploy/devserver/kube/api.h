// The client of an API server (attestation/kube), by the names the development server uses.
#pragma once

#include "attestation/kube/api.h"

namespace steeple::devserver {

using attestation::KubeApi;
using attestation::KubeEvent;
using attestation::KubeRequest;
using attestation::path_segment;

}  // namespace steeple::devserver
