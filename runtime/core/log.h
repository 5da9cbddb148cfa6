// Structured logging in logrus' shapes (config-cli 5.3): `time="…" level=info msg="…" key=value`, JSON, and the colour
// form when stdout is a terminal. Fields are sorted by key. Never give it a key, a token or a JWT.
// A Logger is a cheap value: a shared sink and a list of fixed fields. I/O thread only.
#pragma once

#include <chrono>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <source_location>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "runtime/core/clock.h"
#include "runtime/core/result.h"

namespace steeple::runtime {

enum class LogLevel { kPanic, kFatal, kError, kWarning, kInfo, kDebug, kTrace };
enum class LogFormat { kDefault, kText, kJson };  // kDefault: text with whole seconds; kText: text with nanoseconds

std::string_view to_string(LogLevel level);               // logrus names: "warning", not "warn"
Result<LogLevel> parse_log_level(std::string_view text);  // any case; "warn" and "warning"

// A structure that Go prints one way in text and another in JSON (a list of messages, an address). `json` is valid
// JSON.
struct LogRendered {
  LogRendered(std::string text_form, std::string json_form) : text(std::move(text_form)), json(std::move(json_form)) {}
  std::string text;
  std::string json;
};
std::string json_string(std::string_view text);  // quoted and escaped as encoding/json does, for LogRendered::json

// A field's value, rendered as Go would: durations "5.3s" (JSON: integer nanoseconds), errors as their text.
class LogValue {
 public:
  using Variant = std::variant<std::string, std::int64_t, std::uint64_t, double, bool, std::chrono::nanoseconds,
                               WallTime, std::vector<std::string>, LogRendered>;
  LogValue(std::string text) : value_(std::move(text)) {}
  LogValue(std::string_view text) : value_(std::string(text)) {}
  LogValue(const char* text) : value_(std::string(text)) {}
  LogValue(bool flag) : value_(flag) {}
  LogValue(int number) : value_(std::int64_t{number}) {}
  LogValue(long number) : value_(std::int64_t{number}) {}
  LogValue(long long number) : value_(std::int64_t{number}) {}
  LogValue(unsigned number) : value_(std::uint64_t{number}) {}
  LogValue(unsigned long number) : value_(std::uint64_t{number}) {}
  LogValue(unsigned long long number) : value_(std::uint64_t{number}) {}
  LogValue(double number) : value_(number) {}
  template <class Rep, class Period>
  LogValue(std::chrono::duration<Rep, Period> d) : value_(std::chrono::duration_cast<std::chrono::nanoseconds>(d)) {}
  LogValue(WallTime time) : value_(time) {}
  LogValue(const Error& error) : value_(error.message()) {}
  LogValue(std::vector<std::string> list) : value_(std::move(list)) {}  // Go's "[a b]"; JSON array
  LogValue(LogRendered rendered) : value_(std::move(rendered)) {}
  const Variant& variant() const { return value_; }

 private:
  Variant value_;
};

struct LogField {
  LogField(std::string_view field_key, LogValue field_value) : key(field_key), value(std::move(field_value)) {}
  std::string key;
  LogValue value;
};
using LogFields = std::vector<LogField>;

// Renders one entry, with its newline. Pure; the contract tests call it. `seconds_since_start` serves the colour form.
struct LogEntry {
  LogLevel level;
  std::string_view message;
  const LogFields* fields;
  WallTime time;
};
std::string format_log_entry(const LogEntry& entry, LogFormat format);
std::string format_log_entry_coloured(const LogEntry& entry, std::int64_t seconds_since_start);

// Where lines go: stdout, a file that can be reopened by name, or a test's string.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(std::string_view line) = 0;
  virtual Result<void> reopen() = 0;
  virtual bool is_terminal() const = 0;
  // Lines given up since the last call, because the reader of a pipe or terminal did not read.
  virtual std::uint64_t take_dropped() { return 0; }
};
std::unique_ptr<LogSink> make_stdout_sink();
Result<std::unique_ptr<LogSink>> open_file_sink(const std::string& path);  // append, create, mode 0640
std::unique_ptr<LogSink> make_string_sink(std::string* out);

class Logger {
 public:
  Logger();  // discards everything
  Logger(std::unique_ptr<LogSink> sink, LogLevel level, LogFormat format);

  Logger with(LogFields fields) const;
  Logger with_subsystem(std::string_view name) const;  // field subsystem_name

  bool enabled(LogLevel level) const;
  LogLevel level() const;
  LogLevel launch_level() const;
  void set_level(LogLevel level);  // for all loggers of this sink
  Result<void> reopen();

  // Adds the fields file=NAME:LINE and func=NAME of the calling code to every line of this sink.
  void show_source_location();

  using Where = std::source_location;
  void log(LogLevel level, std::string_view message, LogFields fields = {}, Where where = Where::current()) const;
  void error(std::string_view message, LogFields fields = {}, Where where = Where::current()) const {
    log(LogLevel::kError, message, std::move(fields), where);
  }
  void warning(std::string_view message, LogFields fields = {}, Where where = Where::current()) const {
    log(LogLevel::kWarning, message, std::move(fields), where);
  }
  void info(std::string_view message, LogFields fields = {}, Where where = Where::current()) const {
    log(LogLevel::kInfo, message, std::move(fields), where);
  }
  void debug(std::string_view message, LogFields fields = {}, Where where = Where::current()) const {
    log(LogLevel::kDebug, message, std::move(fields), where);
  }

 private:
  struct Shared;
  std::shared_ptr<Shared> shared_;
  std::shared_ptr<const LogFields> fixed_;
};

}  // namespace steeple::runtime
