#include "runtime/core/log.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <ctime>
#include <fstream>
#include <sstream>

using namespace steeple::runtime;
using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""s;
using std::chrono_literals::operator""us;

namespace {

// The local zone is part of the format, so each test names its own.
class Zone {
 public:
  explicit Zone(const char* name) {
    ::setenv("TZ", name, 1);
    ::tzset();
  }
  ~Zone() {
    ::unsetenv("TZ");
    ::tzset();
  }
};

const WallTime kTime =
    WallTime(std::chrono::seconds(1787392800)) + std::chrono::microseconds(587600);  // 2026-08-22 10:00:00.5876

std::string render(LogLevel level, std::string_view message, LogFields fields, LogFormat format) {
  return format_log_entry(LogEntry{level, message, &fields, kTime}, format);
}

std::string slurp(const std::string& path) {
  std::ifstream in(path);
  std::stringstream out;
  out << in.rdbuf();
  return out.str();
}

}  // namespace

TEST_CASE("Text log lines sort fields and quote only what needs it") {
  Zone zone("UTC");
  CHECK(render(LogLevel::kInfo, "Starting agent", {{"version", "1.15.3"}, {"data_dir", "/opt/spire/.data"}},
               LogFormat::kDefault) ==
        "time=\"2026-08-22T10:00:00Z\" level=info msg=\"Starting agent\" data_dir=/opt/spire/.data version=1.15.3\n");
  CHECK(render(LogLevel::kWarning, "w",
               {{"error", "rpc error: code = Unavailable desc = \"x\""},
                {"retry_interval", 5300ms},
                {"empty", ""},
                {"n", 7},
                {"b", true}},
               LogFormat::kDefault) ==
        "time=\"2026-08-22T10:00:00Z\" level=warning msg=w b=true empty= error=\"rpc error: code = Unavailable desc = "
        "\\\"x\\\"\" n=7 retry_interval=5.3s\n");
  CHECK(render(LogLevel::kInfo, "", {{"d", 123us}}, LogFormat::kDefault) ==
        "time=\"2026-08-22T10:00:00Z\" level=info d=\"123\u00b5s\"\n");
}

TEST_CASE("Log format text has a fraction of a second, in the local zone") {
  Zone zone("EST5");
  CHECK(render(LogLevel::kInfo, "m", {{"t", WallTime(1787392800s)}}, LogFormat::kText) ==
        "time=\"2026-08-22T05:00:00.5876-05:00\" level=info msg=m t=\"2026-08-22 05:00:00 -0500 EST\"\n");
  CHECK(render(LogLevel::kInfo, "m", {}, LogFormat::kDefault) ==
        "time=\"2026-08-22T05:00:00-05:00\" level=info msg=m\n");
}

TEST_CASE("JSON log lines sort all keys and escape HTML") {
  Zone zone("UTC");
  CHECK(render(LogLevel::kInfo, "Plugin loaded", {{"plugin_name", "memory"}, {"external", false}, {"a", 1}},
               LogFormat::kJson) ==
        "{\"a\":1,\"external\":false,\"level\":\"info\",\"msg\":\"Plugin "
        "loaded\",\"plugin_name\":\"memory\",\"time\":\"2026-08-22T10:00:00.5876Z\"}\n");
  CHECK(render(LogLevel::kError, "<a&b>",
               {{"d", 5300ms}, {"list", std::vector<std::string>{"x", "y"}}, {"q", "\"\\\n\x01\xff\u2028"}, {"f", 1.5}},
               LogFormat::kJson) ==
        "{\"d\":5300000000,\"f\":1.5,\"level\":\"error\",\"list\":[\"x\",\"y\"],\"msg\":\"\\u003ca\\u0026b\\u003e\","
        "\"q\":\"\\\"\\\\\\n\\u0001\\ufffd\\u2028\",\"time\":\"2026-08-22T10:00:00.5876Z\"}\n");
  CHECK(render(LogLevel::kInfo, "", {}, LogFormat::kJson) ==
        "{\"level\":\"info\",\"msg\":\"\",\"time\":\"2026-08-22T10:00:00.5876Z\"}\n");
}

TEST_CASE("Log fields named like the line's own get a prefix") {
  Zone zone("UTC");
  LogFields fields{{"time", "t"}, {"msg", "m"}, {"level", "l"}, {"logrus_error", "e"}};
  CHECK(render(LogLevel::kInfo, "x", fields, LogFormat::kDefault) ==
        "time=\"2026-08-22T10:00:00Z\" level=info msg=x fields.level=l fields.logrus_error=e fields.msg=m "
        "fields.time=t\n");
  CHECK(render(LogLevel::kInfo, "x", fields, LogFormat::kJson) ==
        "{\"fields.level\":\"l\",\"fields.logrus_error\":\"e\",\"fields.msg\":\"m\",\"fields.time\":\"t\",\"level\":"
        "\"info\","
        "\"msg\":\"x\",\"time\":\"2026-08-22T10:00:00.5876Z\"}\n");
}

TEST_CASE("A rendered value prints its own text and JSON") {
  Zone zone("UTC");
  LogFields fields{{"address", LogRendered("/run/a.sock", R"({"Name":"/run/a.sock","Net":"unix"})")}};
  CHECK(render(LogLevel::kInfo, "x", fields, LogFormat::kDefault) ==
        "time=\"2026-08-22T10:00:00Z\" level=info msg=x address=/run/a.sock\n");
  CHECK(render(LogLevel::kInfo, "x", fields, LogFormat::kJson)
            .find(R"("address":{"Name":"/run/a.sock","Net":"unix"},)") != std::string::npos);
}

TEST_CASE("Coloured log lines pad the message") {
  LogFields fields{{"b", 2}, {"a", "x y"}};
  std::string line = format_log_entry_coloured(LogEntry{LogLevel::kWarning, "short\n", &fields, kTime}, 12);
  CHECK(line ==
        "\x1b[33mWARN\x1b[0m[0012] short" + std::string(39, ' ') + "  \x1b[33ma\x1b[0m=\"x y\" \x1b[33mb\x1b[0m=2\n");
}

TEST_CASE("Logger writes enabled levels with its fixed fields, the later value winning") {
  std::string out;
  Logger log(make_string_sink(&out), LogLevel::kInfo, LogFormat::kDefault);
  Logger child = log.with_subsystem("endpoints").with({{"pid", 7}});
  CHECK_FALSE(child.enabled(LogLevel::kDebug));
  child.debug("hidden");
  CHECK(out.empty());
  child.info("seen", {{"pid", 8}});
  CHECK(out.find("level=info msg=seen pid=8 subsystem_name=endpoints\n") != std::string::npos);
  log.set_level(LogLevel::kDebug);
  child.debug("now");
  CHECK(out.find("msg=now pid=7") != std::string::npos);
  CHECK(log.launch_level() == LogLevel::kInfo);
}

TEST_CASE("A default Logger discards everything") {
  Logger log;
  CHECK_FALSE(log.enabled(LogLevel::kPanic));
  log.with({{"a", 1}}).error("nobody reads this");
  CHECK(log.reopen());
}

TEST_CASE("Log levels have logrus' names") {
  CHECK(*parse_log_level("WARN") == LogLevel::kWarning);
  CHECK(*parse_log_level("warning") == LogLevel::kWarning);
  CHECK(*parse_log_level("Trace") == LogLevel::kTrace);
  CHECK(to_string(LogLevel::kWarning) == "warning");
  auto bad = parse_log_level("loud");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().message() == "not a valid logrus Level: \"loud\"");
}

TEST_CASE("A file sink appends, creates with mode 0640 and reopens by name") {
  char folder[] = "/tmp/steeple-log-XXXXXX";
  REQUIRE(::mkdtemp(folder));
  std::string path = std::string(folder) + "/agent.log";
  std::string moved = path + ".1";
  mode_t before = ::umask(0);
  auto sink = open_file_sink(path);
  ::umask(before);
  REQUIRE(sink);
  struct stat status{};
  REQUIRE(::stat(path.c_str(), &status) == 0);
  CHECK((status.st_mode & 0777) == 0640);
  (*sink)->write("one\n");
  REQUIRE(::rename(path.c_str(), moved.c_str()) == 0);
  (*sink)->write("two\n");
  REQUIRE((*sink)->reopen());
  (*sink)->write("three\n");
  CHECK(slurp(moved) == "one\ntwo\n");
  CHECK(slurp(path) == "three\n");
  ::unlink(path.c_str());
  ::unlink(moved.c_str());
  REQUIRE(::rmdir(folder) == 0);
  CHECK_FALSE((*sink)->reopen());
  (*sink)->write("still taken\n");
  CHECK_FALSE(open_file_sink(path));
}

TEST_CASE("A stalled reader costs lines, not the process") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  int saved = ::dup(STDOUT_FILENO);
  REQUIRE(::dup2(ends[1], STDOUT_FILENO) >= 0);
  std::string line(4000, 'x');
  line += '\n';
  auto sink = make_stdout_sink();
  for (int i = 0; i < 40; ++i) sink->write(line);  // a pipe holds 16 of them
  std::uint64_t dropped = sink->take_dropped();
  REQUIRE(::dup2(saved, STDOUT_FILENO) >= 0);
  ::close(saved);
  ::close(ends[0]);
  ::close(ends[1]);
  CHECK(dropped >= 20);
  CHECK(dropped < 40);
  CHECK(sink->take_dropped() == 0);
}

namespace {

void speak(const steeple::runtime::Logger& log) { log.info("spoken"); }

}  // namespace

TEST_CASE("Logger names file, line and function when asked to") {
  using namespace steeple::runtime;
  std::string out;
  Logger log(make_string_sink(&out), LogLevel::kInfo, LogFormat::kDefault);
  log.show_source_location();
  speak(log.with_subsystem("test"));
  CHECK_THAT(out, Catch::Matches(
                      R"(time=".*" level=info msg=spoken file="log_test\.cc:\d+" func=speak subsystem_name=test\n)"));
}
