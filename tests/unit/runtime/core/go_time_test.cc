#include "runtime/core/go_time.h"

#include <catch2/catch.hpp>

using namespace steeple::runtime;
using std::chrono_literals::operator""ns;

namespace {

const WallTime kNow(std::chrono::seconds(1767323045));  // 2026-01-02T03:04:05Z

}  // namespace

TEST_CASE("RFC 3339 times are read strictly") {
  CHECK(parse_rfc3339("0001-01-01T00:00:00Z")->has_value() == false);
  CHECK(**parse_rfc3339("2026-01-02T03:04:05Z") == kNow);
  CHECK(**parse_rfc3339("2026-01-01T22:04:05-05:00") == kNow);
  CHECK(**parse_rfc3339("2026-01-02T03:04:05.1234567899Z") == kNow + 123456789ns);
  for (const char* bad : {"", "2026-01-02", "2026-01-02T03:04:05", "2026-13-02T03:04:05Z", "2026-02-30T03:04:05Z",
                          "2026-01-02T24:04:05Z", "2026-01-02T03:04:05.Z", "2026-01-02T03:04:05+2:00",
                          "2026-01-02T03:04:05Zx", "9999-01-02T03:04:05Z", "2026-01-02 03:04:05Z"}) {
    INFO(bad);
    CHECK_FALSE(parse_rfc3339(bad));
  }
}
