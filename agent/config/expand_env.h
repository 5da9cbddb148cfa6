// The -expandEnv rule (config-cli 1.6): $NAME and ${NAME} become the variable's value, or nothing when it is not set;
// $$ is a dollar sign. Works on the whole text, comments included. Pure.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace steeple::agent {

using Environment = std::function<std::optional<std::string>(const std::string& name)>;

Environment process_environment();
std::string expand_env(std::string_view text, const Environment& environment);

}  // namespace steeple::agent
