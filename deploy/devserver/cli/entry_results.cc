#include "deploy/devserver/cli/entry_results.h"

#include <fmt/format.h>

#include "deploy/devserver/cli/entry_text.h"
#include "deploy/devserver/cli/output_json.h"
#include "runtime/core/go_text.h"
#include "runtime/grpc/status.h"
#include "spire/api/server/entry/v1/entry.pb.h"

namespace steeple::devserver {
namespace {

namespace v1 = spire::api::server::entry::v1;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;
using spire::api::types::Entry;

std::string code_text(int code) {
  return std::string(runtime::grpc::to_string(static_cast<runtime::grpc::StatusCode>(code)));
}

template <class Request, class Response>
std::string results_json(const Request& request, const Response& response) {
  std::vector<std::string> results;
  for (int i = 0; i < response.results_size(); ++i) {
    const auto& result = response.results(i);
    const Entry& entry = result.status().code() == 0 ? result.entry() : request.entries(i);
    results.push_back(JsonObject().raw("entry", to_json(entry)).raw("status", to_json(result.status())).str());
  }
  return JsonObject().list("results", results).line();
}

template <class Request, class Response>
Result<void> print_results(const Request& request, const Response& response, std::string_view verb, bool json,
                           Terminal& terminal) {
  if (response.results_size() != request.entries_size()) {
    return Error(ErrorCode::kMalformed,
                 "the server's answer has another number of results than the request has entries");
  }
  if (json) {
    terminal.out(results_json(request, response));
    return {};
  }
  bool failed = false;
  for (const auto& result : response.results()) {
    if (result.status().code() == 0) terminal.out(format_entry(result.entry()));
  }
  for (int i = 0; i < response.results_size(); ++i) {
    const auto& status = response.results(i).status();
    if (status.code() == 0) continue;
    failed = true;
    terminal.err(fmt::format("Failed to {} the following entry (code: {}, msg: {}):\n", verb, code_text(status.code()),
                             runtime::go_quote(status.message())));
    terminal.err(format_entry(request.entries(i)));
  }
  if (failed) return Error(ErrorCode::kFailedPrecondition, fmt::format("failed to {} one or more entries", verb));
  return {};
}

std::string deleted_json(const v1::BatchDeleteEntryResponse& response) {
  std::vector<std::string> results;
  for (const auto& result : response.results()) {
    results.push_back(JsonObject().text("id", result.id()).raw("status", to_json(result.status())).str());
  }
  return JsonObject().list("results", results).line();
}

}  // namespace

Result<void> print_created(const v1::BatchCreateEntryRequest& request, const v1::BatchCreateEntryResponse& response,
                           bool json, Terminal& terminal) {
  return print_results(request, response, "create", json, terminal);
}

Result<void> print_updated(const v1::BatchUpdateEntryRequest& request, const v1::BatchUpdateEntryResponse& response,
                           bool json, Terminal& terminal) {
  return print_results(request, response, "update", json, terminal);
}

Result<void> print_deleted(const v1::BatchDeleteEntryResponse& response, bool json, Terminal& terminal) {
  if (json) {
    terminal.out(deleted_json(response));
    return {};
  }
  int deleted = 0;
  for (const auto& result : response.results()) {
    if (result.status().code() != 0) continue;
    ++deleted;
    terminal.out(fmt::format("Deleted entry with ID: {}\n", result.id()));
  }
  int failed = response.results_size() - deleted;
  if (deleted > 0) terminal.out("\n\n");
  for (const auto& result : response.results()) {
    if (result.status().code() == 0) continue;
    terminal.err(fmt::format("Failed to delete entry with ID {} (code: {}, msg: {})\n", result.id(),
                             code_text(result.status().code()), runtime::go_quote(result.status().message())));
  }
  if (failed == 0) {
    terminal.out(fmt::format("Deleted {} entries successfully", deleted));
    return {};
  }
  terminal.out("\n\n");
  terminal.out(deleted == 0
                   ? fmt::format("Failed to delete {} entries", failed)
                   : fmt::format("Deleted {} entries successfully, but failed to delete {} entries", deleted, failed));
  return Error(ErrorCode::kFailedPrecondition, "failed to delete one or more entries");
}

void print_found(const std::vector<Entry>& entries, bool json, Terminal& terminal) {
  if (json) {
    std::vector<std::string> found;
    for (const Entry& entry : entries) found.push_back(to_json(entry));
    terminal.out(JsonObject().list("entries", found).text("next_page_token", "").line());
    return;
  }
  terminal.out(fmt::format("Found {} {}\n", entries.size(), entries.size() == 1 ? "entry" : "entries"));
  for (const Entry& entry : entries) terminal.out(format_entry(entry));
}

void print_count(int count, bool json, Terminal& terminal) {
  if (json) return terminal.out(JsonObject().number("count", count).line());
  terminal.out(fmt::format("{} registration {}\n", count, count == 1 ? "entry" : "entries"));
}

}  // namespace steeple::devserver
