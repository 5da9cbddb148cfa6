#include "runtime/core/go_text.h"

#include <catch2/catch.hpp>

using namespace steeple::runtime;
using std::chrono::nanoseconds;

TEST_CASE("prototext_quote escapes as Go's text form of a message") {
  CHECK(prototext_quote("a\"b\\c\n\t\r") == R"("a\"b\\c\n\t\r")");
  CHECK(prototext_quote(std::string_view("\x00\b\f\x7f", 4)) == R"("\x00\x08\x0c\x7f")");
  CHECK(prototext_quote("\u0085\u00e9\u65e5") == "\"\\u0085\u00e9\u65e5\"");
}

TEST_CASE("go_quote escapes as Go's %q") {
  CHECK(go_quote("plain") == R"("plain")");
  CHECK(go_quote("a\"b\\c\n\t\r") == R"("a\"b\\c\n\t\r")");
  CHECK(go_quote(std::string_view("\x00\x07\x1b\x7f", 4)) == R"("\x00\a\x1b\x7f")");
  CHECK(go_quote("caf\u00e9 \u65e5\u672c") == "\"caf\u00e9 \u65e5\u672c\"");
  CHECK(go_quote("\u00a0\u200b\u202e\ufeff") == R"("\u00a0\u200b\u202e\ufeff")");
  CHECK(go_quote("\U000e0001") == R"("\U000e0001")");
  CHECK(go_quote("\xff\xc0\xaf") == R"("\xff\xc0\xaf")");
  CHECK(go_quote("\xed\xa0\x80") == R"("\xed\xa0\x80")");  // a surrogate is not UTF-8
  CHECK(go_quote("\xe2\x82") == R"("\xe2\x82")");          // cut short
  CHECK(go_quoted_list({"a", "b c"}) == R"(["a" "b c"])");
  CHECK(go_quoted_list({}) == "[]");
}

TEST_CASE("go_duration prints time.Duration") {
  struct Row {
    std::int64_t value;
    const char* text;
  };
  const Row rows[] = {{0, "0s"},
                      {1, "1ns"},
                      {999, "999ns"},
                      {1500, "1.5\u00b5s"},
                      {1'234'567, "1.234567ms"},
                      {8'254'617, "8.254617ms"},
                      {5'300'000'000, "5.3s"},
                      {12'345'678'901, "12.345678901s"},
                      {63'500'000'000, "1m3.5s"},
                      {3'600'000'000'000, "1h0m0s"},
                      {-1500, "-1.5\u00b5s"},
                      {-60'000'000'000, "-1m0s"},
                      {INT64_MAX, "2562047h47m16.854775807s"},
                      {INT64_MIN, "-2562047h47m16.854775808s"}};
  for (const Row& row : rows) CHECK(go_duration(nanoseconds(row.value)) == row.text);
}

TEST_CASE("parse_go_duration reads what go_duration prints") {
  for (std::int64_t value : {std::int64_t{0}, std::int64_t{1}, std::int64_t{1'500'000}, std::int64_t{-63'500'000'000},
                             INT64_MAX, INT64_MIN}) {
    auto parsed = parse_go_duration(go_duration(nanoseconds(value)));
    REQUIRE(parsed);
    CHECK(parsed->count() == value);
  }
}

TEST_CASE("parse_go_duration takes every form of time.ParseDuration") {
  struct Row {
    const char* text;
    std::int64_t value;
  };
  const Row rows[] = {{"0", 0},
                      {"-0", 0},
                      {"+5s", 5'000'000'000},
                      {"1h15m30.918s", 4'530'918'000'000},
                      {".5s", 500'000'000},
                      {"5.s", 5'000'000'000},
                      {"1us", 1000},
                      {"1\u00b5s", 1000},
                      {"1\u03bcs", 1000},
                      {"0.100000000000000000000h", 360'000'000'000},
                      {"9223372036854775.807us", INT64_MAX},
                      {"-9223372036854775808ns", INT64_MIN}};
  for (const Row& row : rows) {
    auto parsed = parse_go_duration(row.text);
    INFO(row.text);
    REQUIRE(parsed);
    CHECK(parsed->count() == row.value);
  }
}

TEST_CASE("parse_go_duration refuses with Go's texts") {
  struct Row {
    const char* text;
    const char* error;
  };
  const Row rows[] = {{"", R"(time: invalid duration "")"},
                      {"-", R"(time: invalid duration "-")"},
                      {"x", R"(time: invalid duration "x")"},
                      {".s", R"(time: invalid duration ".s")"},
                      {"5", R"(time: missing unit in duration "5")"},
                      {"1m5", R"(time: missing unit in duration "1m5")"},
                      {"5d", R"(time: unknown unit "d" in duration "5d")"},
                      {"5 s", R"(time: unknown unit " s" in duration "5 s")"},
                      {"5\u00e9", R"(time: unknown unit "\xc3\xa9" in duration "5\xc3\xa9")"},
                      {"9223372036854775808ns", R"(time: invalid duration "9223372036854775808ns")"},
                      {"99999999999999999999s", R"(time: invalid duration "99999999999999999999s")"},
                      {"3000000h", R"(time: invalid duration "3000000h")"}};
  for (const Row& row : rows) {
    auto parsed = parse_go_duration(row.text);
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message() == row.error);
    CHECK(parsed.error().code() == ErrorCode::kMalformed);
  }
}

TEST_CASE("Times print in Go's forms") {
  WallTime whole = WallTime(std::chrono::seconds(1767323045));
  WallTime split = whole + std::chrono::duration_cast<WallTime::duration>(nanoseconds(120'340'000));
  CHECK(rfc3339(split) == "2026-01-02T03:04:05Z");
  CHECK(rfc3339_nano(whole) == "2026-01-02T03:04:05Z");
  CHECK(rfc3339_nano(split) == "2026-01-02T03:04:05.12034Z");
  CHECK(go_time(whole) == "2026-01-02 03:04:05 +0000 UTC");
  CHECK(go_time(split) == "2026-01-02 03:04:05.12034 +0000 UTC");
  CHECK(rfc3339_nano(WallTime(nanoseconds(-1))) == "1969-12-31T23:59:59.999999999Z");
  CHECK(rfc3339_nano(WallTime::min()) == "1677-09-21T00:12:43.145224192Z");
  CHECK(rfc3339_nano(WallTime::max()) == "2262-04-11T23:47:16.854775807Z");
}
