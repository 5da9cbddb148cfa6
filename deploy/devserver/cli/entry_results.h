// What the entry commands print of the server's answers: SPIRE's blocks and summaries, or JSON. A result that failed
// comes without its entry: it is shown with the one that was asked for. Pure but for the terminal.
#pragma once

#include <vector>

#include "deploy/devserver/cli/terminal.h"
#include "runtime/core/result.h"

namespace spire::api::server::entry::v1 {
class BatchCreateEntryRequest;
class BatchCreateEntryResponse;
class BatchDeleteEntryResponse;
class BatchUpdateEntryRequest;
class BatchUpdateEntryResponse;
}  // namespace spire::api::server::entry::v1
namespace spire::api::types {
class Entry;
}

namespace steeple::devserver {

// kFailedPrecondition "failed to create one or more entries" after the pretty form of any failure; JSON says it inside.
runtime::Result<void> print_created(const spire::api::server::entry::v1::BatchCreateEntryRequest& request,
                                    const spire::api::server::entry::v1::BatchCreateEntryResponse& response, bool json,
                                    Terminal& terminal);
runtime::Result<void> print_updated(const spire::api::server::entry::v1::BatchUpdateEntryRequest& request,
                                    const spire::api::server::entry::v1::BatchUpdateEntryResponse& response, bool json,
                                    Terminal& terminal);
runtime::Result<void> print_deleted(const spire::api::server::entry::v1::BatchDeleteEntryResponse& response, bool json,
                                    Terminal& terminal);
void print_found(const std::vector<spire::api::types::Entry>& entries, bool json, Terminal& terminal);
void print_count(int count, bool json, Terminal& terminal);

}  // namespace steeple::devserver
