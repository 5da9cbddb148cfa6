#include "runtime/core/go_time.h"

#include <charconv>
#include <chrono>

#include "runtime/core/go_text.h"

namespace steeple::runtime {

namespace {

constexpr int kNanosecondDigits = 9;

// Reads fixed fields from the left; remembers whether all of them were there.
class Fields {
 public:
  explicit Fields(std::string_view text) : text_(text) {}
  int number(std::size_t digits) {
    int value = 0;
    if (text_.size() < digits || text_.substr(0, digits).find_first_not_of("0123456789") != std::string_view::npos) {
      good_ = false;
      return 0;
    }
    std::from_chars(text_.data(), text_.data() + digits, value);
    text_.remove_prefix(digits);
    return value;
  }
  void literal(char wanted) {
    good_ = good_ && !text_.empty() && text_.front() == wanted;
    if (good_) text_.remove_prefix(1);
  }
  bool skip(char wanted) {
    if (text_.empty() || text_.front() != wanted) return false;
    text_.remove_prefix(1);
    return true;
  }
  // The digits after the point, as nanoseconds.
  std::int64_t fraction() {
    std::int64_t value = 0;
    int digits = 0;
    for (; !text_.empty() && text_.front() >= '0' && text_.front() <= '9'; text_.remove_prefix(1)) {
      if (digits++ < kNanosecondDigits) value = value * 10 + (text_.front() - '0');
    }
    good_ = good_ && digits > 0;
    for (; digits < kNanosecondDigits; ++digits) value *= 10;
    return value;
  }
  bool good() const { return good_; }
  bool at_end() const { return text_.empty(); }

 private:
  std::string_view text_;
  bool good_ = true;
};

}  // namespace

Result<std::optional<WallTime>> parse_rfc3339(std::string_view text) {
  namespace chrono = std::chrono;
  if (text == kZeroTime) return std::optional<WallTime>();
  Error invalid(ErrorCode::kMalformed, "cannot parse time " + go_quote(text));
  Fields fields(text);
  int year_number = fields.number(4);
  fields.literal('-');
  int month_number = fields.number(2);
  fields.literal('-');
  int day_number = fields.number(2);
  fields.literal('T');
  int hour = fields.number(2);
  fields.literal(':');
  int minute = fields.number(2);
  fields.literal(':');
  int second = fields.number(2);
  std::int64_t nanosecond = fields.good() && fields.skip('.') ? fields.fraction() : 0;
  int offset_minutes = 0;
  if (!fields.skip('Z')) {
    int sign = fields.skip('-') ? -1 : 1;
    if (sign == 1) fields.literal('+');
    int offset_hour = fields.number(2);
    fields.literal(':');
    int offset_minute = fields.number(2);
    if (offset_hour > 24 || offset_minute > 59) return invalid;
    offset_minutes = sign * (offset_hour * 60 + offset_minute);
  }
  chrono::year_month_day date = chrono::year(year_number) / month_number / day_number;
  if (!fields.good() || !fields.at_end() || !date.ok() || hour > 23 || minute > 59 || second > 59) return invalid;
  // What a clock of this century can have written; nanoseconds since 1970 end in 2262.
  if (year_number < 1700 || year_number > 2260) return invalid;
  return std::optional<WallTime>(WallTime(chrono::sys_days(date)) + chrono::hours(hour) +
                                 chrono::minutes(minute - offset_minutes) + chrono::seconds(second) +
                                 chrono::nanoseconds(nanosecond));
}

}  // namespace steeple::runtime
