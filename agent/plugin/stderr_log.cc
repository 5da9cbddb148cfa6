#include "agent/plugin/stderr_log.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "agent/spiffe/json_value.h"
#include "runtime/core/go_text.h"

namespace steeple::agent {

using runtime::LogField;
using runtime::LogFields;
using runtime::LogLevel;
using runtime::LogRendered;
using runtime::LogValue;

namespace {

constexpr std::string_view kNoTime = "0001-01-01T00:00:00.000Z";

double number_of(const JsonNumber& number) { return number.to_double().value_or(0); }

// Of a value within a list or an object: Go's %v and encoding/json.
LogRendered rendered(const JsonValue& value) {
  if (value.is_null()) return LogRendered("<nil>", "null");
  if (const bool* flag = value.boolean()) return LogRendered(*flag ? "true" : "false", *flag ? "true" : "false");
  if (const JsonNumber* number = value.number()) {
    const double n = number_of(*number);
    return LogRendered(runtime::go_number(n, 1e-4, 1e6), runtime::go_number(n, 1e-6, 1e21));
  }
  if (const std::string* text = value.text()) return LogRendered(*text, runtime::json_string(*text));
  LogRendered out("", "");
  if (const JsonValue::Array* array = value.array()) {
    for (const JsonValue& element : *array) {
      const LogRendered one = rendered(element);
      out.text += (out.text.empty() ? "" : " ") + one.text;
      out.json += (out.json.empty() ? "" : ",") + one.json;
    }
    return LogRendered("[" + out.text + "]", "[" + out.json + "]");
  }
  std::map<std::string, const JsonValue*> members;
  for (const JsonMember& member : *value.object()) members[member.name] = &member.value;
  for (const auto& [name, member] : members) {
    const LogRendered one = rendered(*member);
    out.text += (out.text.empty() ? "" : " ") + name + ":" + one.text;
    out.json += (out.json.empty() ? "" : ",") + runtime::json_string(name) + ":" + one.json;
  }
  return LogRendered("map[" + out.text + "]", "{" + out.json + "}");
}

LogValue to_log_value(const JsonValue& value) {
  if (const std::string* text = value.text()) return LogValue(*text);
  if (const JsonNumber* number = value.number()) return LogValue(number_of(*number));
  if (const bool* flag = value.boolean()) return LogValue(*flag);
  return LogValue(rendered(value));
}

// "2026-11-28T08:53:02.997123Z" with six digits, or an offset such as "+01:00", as go-hclog writes it anew: with three.
std::optional<std::string> short_time(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00.000000";
  constexpr std::size_t kShownDigits = 3;
  constexpr std::size_t kOffsetBytes = 6;
  const auto fits = [](std::string_view shape, std::string_view part) {
    return shape.size() == part.size() && std::equal(shape.begin(), shape.end(), part.begin(), [](char s, char c) {
             return s == '0' ? c >= '0' && c <= '9' : s == c;
           });
  };
  if (text.size() <= kShape.size() || !fits(kShape, text.substr(0, kShape.size()))) return std::nullopt;
  std::string out(text.substr(0, kShape.size() - kShownDigits));
  const std::string_view zone = text.substr(kShape.size());
  if (zone == "Z") return out + "Z";
  if (zone.size() != kOffsetBytes || !(fits("+00:00", zone) || fits("-00:00", zone))) return std::nullopt;
  return out.append(zone.substr(0, 3)).append(zone.substr(4));
}

// As go-hclog names its levels; nothing for others. Trace is dropped by the host.
std::optional<LogLevel> level_of(std::string_view name) {
  std::string lower;
  for (const char c : name) lower += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  if (lower == "trace") return LogLevel::kTrace;
  if (lower == "debug") return LogLevel::kDebug;
  if (lower == "info") return LogLevel::kInfo;
  if (lower == "warn") return LogLevel::kWarning;
  if (lower == "error") return LogLevel::kError;
  return std::nullopt;
}

struct HclogLine {
  std::string message;
  std::string level;
  std::string timestamp{kNoTime};
  LogFields fields;
};

// Nothing when it is not such a line.
std::optional<HclogLine> parse_line(std::string_view line) {
  const auto parsed = parse_json(line);
  if (!parsed || !parsed->root.object()) return std::nullopt;
  HclogLine out;
  for (const JsonMember& member : *parsed->root.object()) {
    const bool own = member.name == "@message" || member.name == "@level" || member.name == "@timestamp";
    if (!own) {
      out.fields.emplace_back(member.name, to_log_value(member.value));
      continue;
    }
    const std::string* text = member.value.text();
    if (!text) return std::nullopt;
    if (member.name == "@message") out.message = *text;
    if (member.name == "@level") out.level = *text;
    if (member.name != "@timestamp") continue;
    std::optional<std::string> timestamp = short_time(*text);
    if (!timestamp) return std::nullopt;
    out.timestamp = std::move(*timestamp);
  }
  return out;
}

}  // namespace

void StderrLog::feed(std::string_view bytes) {
  lines_.feed(bytes, [this](std::string_view line, bool whole) { take(line, whole); });
}

void StderrLog::end() {
  lines_.end([this](std::string_view line, bool whole) { take(line, whole); });
}

void StderrLog::take(std::string_view line, bool whole) {
  if (!whole) return log_.debug(line);
  if (!take_json(line)) take_plain(line);
}

bool StderrLog::take_json(std::string_view line) {
  if (!line.starts_with('{')) return false;
  std::optional<HclogLine> parsed = parse_line(line);
  if (!parsed) return false;
  const std::optional<LogLevel> level = level_of(parsed->level);
  if (!level) {
    log_.debug(line);
  } else if (*level != LogLevel::kTrace && log_.enabled(*level)) {
    parsed->fields.emplace_back("timestamp", parsed->timestamp);
    log_.log(*level, parsed->message, std::move(parsed->fields));
  }
  return true;
}

void StderrLog::take_plain(std::string_view line) {
  if (line.starts_with("[TRACE]")) return;
  if (line.starts_with("[DEBUG]")) return log_.debug(line);
  if (line.starts_with("[INFO]")) return log_.info(line);
  if (line.starts_with("[WARN]")) return log_.warning(line);
  if (line.starts_with("[ERROR]")) return log_.error(line);
  if (line.starts_with("panic: ") || line.starts_with("fatal error: ")) in_panic_ = true;
  log_.log(in_panic_ ? LogLevel::kError : LogLevel::kDebug, line);
}

}  // namespace steeple::agent
