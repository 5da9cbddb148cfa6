// The three shapes of a log line (config-cli 5.3), rendered without any I/O.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <iterator>

#include "runtime/core/go_text.h"
#include "runtime/core/log.h"

namespace steeple::runtime {
namespace {

struct LocalTime {
  explicit LocalTime(WallTime time) {
    auto since_epoch = std::chrono::duration_cast<std::chrono::nanoseconds>(time.time_since_epoch());
    auto whole = std::chrono::floor<std::chrono::seconds>(since_epoch);
    std::time_t seconds = whole.count();
    localtime_r(&seconds, &parts);
    nanoseconds = (since_epoch - whole).count();
  }
  std::tm parts{};
  long nanoseconds = 0;
};

void append_clock(std::string& out, const std::tm& t, char between) {
  fmt::format_to(std::back_inserter(out), "{:04}-{:02}-{:02}{}{:02}:{:02}:{:02}", t.tm_year + 1900, t.tm_mon + 1,
                 t.tm_mday, between, t.tm_hour, t.tm_min, t.tm_sec);
}

std::string offset(const std::tm& t, const char* between) {
  long minutes = std::labs(t.tm_gmtoff) / 60;
  return fmt::format("{}{:02}{}{:02}", t.tm_gmtoff < 0 ? '-' : '+', minutes / 60, between, minutes % 60);
}

// RFC 3339 in the local zone, "Z" for UTC.
std::string stamp(WallTime time, bool fraction) {
  LocalTime local(time);
  std::string out;
  append_clock(out, local.parts, 'T');
  if (fraction) out += go_fraction(local.nanoseconds);
  return out + (local.parts.tm_gmtoff == 0 ? "Z" : offset(local.parts, ":"));
}

std::string time_in_text(WallTime time) {
  LocalTime local(time);
  std::string out;
  append_clock(out, local.parts, ' ');
  std::string zone = local.parts.tm_zone && *local.parts.tm_zone ? local.parts.tm_zone : "UTC";
  return out + go_fraction(local.nanoseconds) + " " + offset(local.parts, "") + " " + zone;
}

std::string list_in_text(const std::vector<std::string>& list) {
  std::string out = "[";
  for (const std::string& item : list) {
    if (out.size() > 1) out += ' ';
    out += item;
  }
  return out + "]";
}

struct TextForm {
  std::string operator()(const std::string& text) const { return text; }
  std::string operator()(std::int64_t n) const { return std::to_string(n); }
  std::string operator()(std::uint64_t n) const { return std::to_string(n); }
  std::string operator()(double n) const { return go_number(n, 1e-4, 1e6); }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(std::chrono::nanoseconds duration) const { return go_duration(duration); }
  std::string operator()(WallTime time) const { return time_in_text(time); }
  std::string operator()(const std::vector<std::string>& list) const { return list_in_text(list); }
  std::string operator()(const LogRendered& rendered) const { return rendered.text; }
};

struct JsonForm {
  std::string operator()(const std::string& text) const { return json_string(text); }
  std::string operator()(std::int64_t n) const { return std::to_string(n); }
  std::string operator()(std::uint64_t n) const { return std::to_string(n); }
  std::string operator()(double n) const { return std::isfinite(n) ? go_number(n, 1e-6, 1e21) : "null"; }
  std::string operator()(bool flag) const { return flag ? "true" : "false"; }
  std::string operator()(std::chrono::nanoseconds duration) const { return std::to_string(duration.count()); }
  std::string operator()(WallTime time) const { return json_string(stamp(time, true)); }
  std::string operator()(const std::vector<std::string>& list) const {
    std::string out = "[";
    for (const std::string& item : list) {
      if (out.size() > 1) out += ',';
      out += json_string(item);
    }
    return out + "]";
  }
  std::string operator()(const LogRendered& rendered) const { return rendered.json; }
};

bool is_bare(std::string_view text) {
  static constexpr std::string_view kMarks = "-._/@^+";
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || kMarks.find(c) != kMarks.npos;
  });
}

void append_value(std::string& out, std::string_view text) {
  if (is_bare(text)) {
    out += text;
  } else {
    out += go_quote(text);
  }
}

struct SortedField {
  std::string key;
  const LogValue* value;
};

// By key, the last of equal keys only; keys that the line itself uses get the prefix that logrus gives them.
std::vector<SortedField> sorted(const LogFields* fields) {
  std::vector<SortedField> out;
  if (!fields) return out;
  out.reserve(fields->size() + 3);
  for (const LogField& field : *fields) {
    bool clash = field.key == "time" || field.key == "msg" || field.key == "level" || field.key == "logrus_error";
    std::string key = clash ? "fields." + field.key : field.key;
    auto same = std::find_if(out.begin(), out.end(), [&](const SortedField& other) { return other.key == key; });
    if (same != out.end()) {
      same->value = &field.value;
    } else {
      out.push_back({std::move(key), &field.value});
    }
  }
  std::sort(out.begin(), out.end(), [](const SortedField& a, const SortedField& b) { return a.key < b.key; });
  return out;
}

std::string format_text(const LogEntry& entry, bool fraction) {
  std::string out = "time=\"" + stamp(entry.time, fraction) + "\" level=";
  out += to_string(entry.level);
  if (!entry.message.empty()) {
    out += " msg=";
    append_value(out, entry.message);
  }
  for (const SortedField& field : sorted(entry.fields)) {
    out += ' ';
    out += field.key;
    out += '=';
    append_value(out, std::visit(TextForm(), field.value->variant()));
  }
  return out + "\n";
}

std::string format_json(const LogEntry& entry) {
  std::vector<SortedField> fields = sorted(entry.fields);
  LogValue level(to_string(entry.level));
  LogValue message(entry.message);
  LogValue time(stamp(entry.time, true));
  fields.push_back({"level", &level});
  fields.push_back({"msg", &message});
  fields.push_back({"time", &time});
  std::sort(fields.begin(), fields.end(), [](const SortedField& a, const SortedField& b) { return a.key < b.key; });
  std::string out;
  for (const SortedField& field : fields) {
    out += out.empty() ? '{' : ',';
    out += json_string(field.key);
    out += ':';
    out += std::visit(JsonForm(), field.value->variant());
  }
  return out + "}\n";
}

int colour(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
    case LogLevel::kTrace:
      return 37;
    case LogLevel::kWarning:
      return 33;
    case LogLevel::kError:
    case LogLevel::kFatal:
    case LogLevel::kPanic:
      return 31;
    case LogLevel::kInfo:
      return 36;
  }
  return 36;
}

std::string_view short_name(LogLevel level) {
  static constexpr std::string_view kNames[] = {"PANI", "FATA", "ERRO", "WARN", "INFO", "DEBU", "TRAC"};
  return kNames[static_cast<std::size_t>(level)];
}

void append_json_control(std::string& out, char c) {
  switch (c) {
    case '\b':
      out += "\\b";
      return;
    case '\f':
      out += "\\f";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      fmt::format_to(std::back_inserter(out), "\\u{:04x}", static_cast<unsigned char>(c));
  }
}

}  // namespace

std::string json_string(std::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    char c = text.front();
    std::size_t size = 1;
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '<' || c == '>' || c == '&' || static_cast<unsigned char>(c) < 0x20) {
      append_json_control(out, c);
    } else if (static_cast<unsigned char>(c) < 0x80) {
      out += c;
    } else if (size = utf8_sequence_size(text); size == 0) {
      size = 1;
      out += "\\ufffd";
    } else if (text.starts_with("\u2028") || text.starts_with("\u2029")) {
      out += text[2] == '\xA8' ? "\\u2028" : "\\u2029";
    } else {
      out += text.substr(0, size);
    }
    text.remove_prefix(size);
  }
  return out + "\"";
}

std::string format_log_entry(const LogEntry& entry, LogFormat format) {
  return format == LogFormat::kJson ? format_json(entry) : format_text(entry, format == LogFormat::kText);
}

std::string format_log_entry_coloured(const LogEntry& entry, std::int64_t seconds_since_start) {
  std::string_view message = entry.message;
  if (message.ends_with('\n')) message.remove_suffix(1);
  int paint = colour(entry.level);
  std::string out =
      fmt::format("\x1b[{}m{}\x1b[0m[{:04}] {}", paint, short_name(entry.level), seconds_since_start, message);
  auto continues = [](char c) { return (static_cast<unsigned char>(c) & 0xC0) == 0x80; };
  auto runes = message.size() - static_cast<std::size_t>(std::count_if(message.begin(), message.end(), continues));
  constexpr std::size_t kMessageWidth = 44;
  if (runes < kMessageWidth) out.append(kMessageWidth - runes, ' ');
  out += ' ';
  for (const SortedField& field : sorted(entry.fields)) {
    fmt::format_to(std::back_inserter(out), " \x1b[{}m{}\x1b[0m=", paint, field.key);
    append_value(out, std::visit(TextForm(), field.value->variant()));
  }
  return out + "\n";
}

}  // namespace steeple::runtime
