// URLs cut as Go's net/url cuts them, with its error texts, as far as the checks of config-cli 2.3 need. Pure.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "runtime/core/result.h"

namespace steeple::agent {

struct GoUrl {
  std::string scheme;  // lower case
  std::string opaque;  // what follows "scheme:" without a slash
  bool has_user = false;
  std::string host;  // with the port
  std::string path;
  std::string query;
  std::string fragment;

  std::string host_name() const;  // without port and brackets
  std::string port() const;
  std::vector<std::string> query_names() const;
};

runtime::Result<GoUrl> parse_go_url(std::string_view text);

// Whether a SPIFFE Workload API can be reached by this: unix:PATH, or tcp://IP:port.
runtime::Result<void> check_workload_api_address(std::string_view address);

// "HOST:PORT" as Go's net package demands it.
runtime::Result<void> check_host_port(std::string_view address);

}  // namespace steeple::agent
