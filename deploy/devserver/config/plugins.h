// The `plugins` block of server.conf: DataStore sql, KeyManager disk or memory, NodeAttestor join_token and x509pop.
#pragma once

#include <memory>
#include <string_view>

#include "agent/config/hcl/object_reader.h"
#include "deploy/devserver/config/config.h"

namespace steeple::devserver {

runtime::Result<void> read_plugins(const std::shared_ptr<const agent::hcl::Document>& document,
                                   const agent::hcl::View& plugins, DevServerConfig& config);

// kUnimplemented naming the keys nobody asked for.
runtime::Result<void> refuse_unknown_keys(const agent::hcl::ObjectReader& reader, std::string_view where);

}  // namespace steeple::devserver
