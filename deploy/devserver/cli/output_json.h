// The JSON form of the server's messages as `-output json` prints them (config-cli 4.2): every field, keys sorted,
// 64-bit integers as strings, bytes in base64, messages that are absent left out. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace spire::api::types {
class Bundle;
class Entry;
class FederationRelationship;
class Status;
}  // namespace spire::api::types

namespace steeple::devserver {

class JsonObject {
 public:
  JsonObject& raw(std::string_view key, std::string value);  // JSON already
  JsonObject& text(std::string_view key, std::string_view value);
  JsonObject& flag(std::string_view key, bool value);
  JsonObject& number(std::string_view key, std::int32_t value);
  JsonObject& wide(std::string_view key, std::int64_t value);  // "42"
  JsonObject& wide_unsigned(std::string_view key, std::uint64_t value);
  JsonObject& bytes(std::string_view key, std::string_view value);
  JsonObject& list(std::string_view key, const std::vector<std::string>& values);  // of JSON
  std::string str() const;
  std::string line() const { return str() + "\n"; }

 private:
  std::map<std::string, std::string, std::less<>> members_;
};

std::string to_json(const spire::api::types::Status& status);
std::string to_json(const spire::api::types::Entry& entry);
std::string to_json(const spire::api::types::Bundle& bundle);
std::string to_json(const spire::api::types::FederationRelationship& relationship);

// {"results":[{"status":...},...]} of a batch call's answer; `add(object, result)` adds what else a result has.
template <class Response, class Add>
std::string results_line(const Response& response, Add add) {
  std::vector<std::string> results;
  for (const auto& result : response.results()) {
    JsonObject object;
    object.raw("status", to_json(result.status()));
    add(object, result);
    results.push_back(object.str());
  }
  return JsonObject().list("results", results).line();
}

}  // namespace steeple::devserver
