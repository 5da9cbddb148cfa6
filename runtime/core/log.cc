#include "runtime/core/log.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "runtime/core/go_text.h"

namespace steeple::runtime {
namespace {

constexpr std::array<std::string_view, 7> kLevelNames{"panic", "fatal", "error", "warning", "info", "debug", "trace"};

// "app.cc:68", and the function's qualified name without its parameters.
void add_location(LogFields& fields, const std::source_location& where) {
  std::string_view file = where.file_name();
  file.remove_prefix(file.rfind('/') + 1);
  std::string function = where.function_name();
  constexpr std::string_view kUnnamed = "(anonymous namespace)::";
  for (std::size_t at; (at = function.find(kUnnamed)) != std::string::npos;) function.erase(at, kUnnamed.size());
  function.resize(std::min(function.find('('), function.size()));
  function.erase(0, function.rfind(' ') + 1);
  fields.emplace_back("file", std::string(file) + ":" + std::to_string(where.line()));
  fields.emplace_back("func", function);
}

}  // namespace

std::string_view to_string(LogLevel level) { return kLevelNames[static_cast<std::size_t>(level)]; }

Result<LogLevel> parse_log_level(std::string_view text) {
  std::string lower(text);
  std::transform(lower.begin(), lower.end(), lower.begin(), [](unsigned char c) { return std::tolower(c); });
  if (lower == "warn") return LogLevel::kWarning;
  for (std::size_t i = 0; i < kLevelNames.size(); ++i)
    if (lower == kLevelNames[i]) return static_cast<LogLevel>(i);
  return Error(ErrorCode::kInvalidArgument, "not a valid logrus Level: " + go_quote(text));
}

struct Logger::Shared {
  std::unique_ptr<LogSink> sink;
  LogLevel level;
  LogLevel launch_level;
  LogFormat format;
  bool coloured;
  bool source_location = false;
  SteadyTime started = std::chrono::steady_clock::now();

  void write(const LogEntry& entry) const {
    if (coloured) {
      auto running = std::chrono::steady_clock::now() - started;
      sink->write(format_log_entry_coloured(entry, std::chrono::floor<std::chrono::seconds>(running).count()));
    } else {
      sink->write(format_log_entry(entry, format));
    }
  }
};

Logger::Logger() = default;

Logger::Logger(std::unique_ptr<LogSink> sink, LogLevel level, LogFormat format)
    : shared_(std::make_shared<Shared>(
          Shared{std::move(sink), level, level, format, /*coloured=*/false, /*source_location=*/false})) {
  shared_->coloured = format != LogFormat::kJson && shared_->sink->is_terminal();
}

Logger Logger::with(LogFields fields) const {
  Logger child = *this;
  if (!shared_) return child;
  LogFields all = fixed_ ? *fixed_ : LogFields();
  std::move(fields.begin(), fields.end(), std::back_inserter(all));
  child.fixed_ = std::make_shared<const LogFields>(std::move(all));
  return child;
}

Logger Logger::with_subsystem(std::string_view name) const { return with({{"subsystem_name", name}}); }

bool Logger::enabled(LogLevel level) const { return shared_ && level <= shared_->level; }
LogLevel Logger::level() const { return shared_ ? shared_->level : LogLevel::kInfo; }
LogLevel Logger::launch_level() const { return shared_ ? shared_->launch_level : LogLevel::kInfo; }

void Logger::set_level(LogLevel level) {
  if (shared_) shared_->level = level;
}

Result<void> Logger::reopen() {
  if (!shared_) return {};
  return shared_->sink->reopen();
}

void Logger::show_source_location() {
  if (shared_) shared_->source_location = true;
}

void Logger::log(LogLevel level, std::string_view message, LogFields fields, Where where) const {
  if (!enabled(level)) return;
  if (shared_->source_location) add_location(fields, where);
  WallTime now = std::chrono::system_clock::now();
  if (fixed_) fields.insert(fields.begin(), fixed_->begin(), fixed_->end());
  shared_->write(LogEntry{level, message, &fields, now});
  std::uint64_t dropped = shared_->sink->take_dropped();
  if (dropped == 0) return;
  LogFields count{{"count", dropped}};
  shared_->write(LogEntry{LogLevel::kWarning, "Log lines were dropped: their reader did not read", &count, now});
}

}  // namespace steeple::runtime
