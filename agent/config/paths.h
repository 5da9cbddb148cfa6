// Paths as Go's path and filepath packages treat them; users meet the results in messages. Pure, but for the working
// directory that absolute_path() asks for.
#pragma once

#include <string>
#include <string_view>

#include "runtime/core/result.h"

namespace steeple::agent {

std::string clean_path(std::string_view path);                             // shortest equal form; "." for nothing
runtime::Result<std::string> absolute_path(std::string_view path);         // cleaned
std::string join_path(std::string_view directory, std::string_view name);  // cleaned
std::string directory_of(std::string_view path);                           // "/" and "." included

}  // namespace steeple::agent
