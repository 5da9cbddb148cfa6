// How long calls take with this library: `measure fetch SECONDS`, `measure jwt SECONDS AUDIENCE`, `measure watch
// STREAMS` print one JSON object a line; see tests/clients/README.md.
#pragma once

#include <string>
#include <vector>

void measure(const std::vector<std::string>& arguments);
