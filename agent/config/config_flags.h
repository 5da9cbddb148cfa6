// The flags that `run` and `validate` share (config-cli 4.2): each fills the field of the key it stands for.
#pragma once

#include "agent/config/flags.h"
#include "agent/config/load.h"

namespace steeple::agent {

// The set points into `flags`, which must outlive it.
FlagSet config_flag_set(const std::string& command, ConfigFlags& flags);

}  // namespace steeple::agent
