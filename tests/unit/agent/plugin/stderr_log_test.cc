#include "agent/plugin/stderr_log.h"

#include <catch2/catch.hpp>
#include <regex>

using namespace steeple::agent;
using namespace steeple::runtime;

namespace {

struct World {
  explicit World(LogLevel level = LogLevel::kDebug, LogFormat format = LogFormat::kDefault)
      : log(Logger(make_string_sink(&lines), level, format).with_subsystem("ext.rich")) {}
  std::string take(std::string_view text) {
    lines.clear();
    log.feed(text);
    return std::regex_replace(lines, std::regex("time=\"[^\"]*\" "), "");
  }
  std::string lines;
  StderrLog log;
};

std::string hclog(std::string_view level, std::string_view rest = "") {
  return "{\"@level\":\"" + std::string(level) +
         "\",\"@message\":\"said\",\"@timestamp\":\"2026-11-28T08:53:02.997123Z\"" + std::string(rest) + "}\n";
}

}  // namespace

TEST_CASE("Lines of go-hclog are logged at their level with their fields") {
  World world;
  CHECK(world.take(hclog("info", ",\"ok\":true,\"@module\":\"sub\"")) ==
        "level=info msg=said @module=sub ok=true subsystem_name=ext.rich timestamp=\"2026-11-28T08:53:02.997Z\"\n");
  CHECK(world.take(hclog("warn")).starts_with("level=warning msg=said "));
  CHECK(world.take(hclog("ERROR")).starts_with("level=error msg=said "));
  CHECK(world.take(hclog("debug")).starts_with("level=debug msg=said "));
  CHECK(world.take(hclog("trace")).empty());
  // As SPIRE 1.15.3 printed the same line.
  CHECK(
      world.take(hclog("debug",
                       ",\"b\":true,\"big\":12345678901234,\"d\":3000000000,\"err\":\"oops\",\"f\":1.5,\"list\":[1,2],"
                       "\"map\":{\"a\":\"b\"},\"msg\":\"clash\",\"n\":5,\"nil\":null")) ==
      "level=debug msg=said b=true big=1.2345678901234e+13 d=3e+09 err=oops f=1.5 fields.msg=clash list=\"[1 2]\" "
      "map=\"map[a:b]\" n=5 nil=\"<nil>\" subsystem_name=ext.rich timestamp=\"2026-11-28T08:53:02.997Z\"\n");
}

TEST_CASE("What is JSON and no line of go-hclog goes to debug as it stands") {
  World world;
  CHECK(world.take("{\"a\":1}\n") == "level=debug msg=\"{\\\"a\\\":1}\" subsystem_name=ext.rich\n");
  CHECK(world.take(hclog("loud")).starts_with("level=debug msg=\"{\\\"@level\\\":\\\"loud\\\""));
  for (const char* wrong :
       {"{\"@level\":5}\n", "{\"@level\":\"info\",\"@timestamp\":\"yesterday\"}\n", "{\"@level\":\"info\"\n",
        "{\"@level\":\"info\",\"@timestamp\":\"2026-11-28T08:53:02.997Z\"}\n"}) {
    INFO(wrong);
    CHECK(world.take(wrong).starts_with("level=debug msg=\"{"));
  }
  CHECK(world.take("{\"@level\":\"info\",\"@message\":\"x\"}\n").ends_with("timestamp=\"0001-01-01T00:00:00.000Z\"\n"));
  CHECK(world.take("{\"@level\":\"info\",\"@timestamp\":\"2026-11-28T08:53:02.997123+01:00\"}\n")
            .ends_with("timestamp=\"2026-11-28T08:53:02.997+0100\"\n"));
}

TEST_CASE("Plain lines go to debug, or where their prefix says") {
  World world;
  CHECK(world.take("plain\n") == "level=debug msg=plain subsystem_name=ext.rich\n");
  CHECK(world.take("[INFO] a\r\n") == "level=info msg=\"[INFO] a\" subsystem_name=ext.rich\n");
  CHECK(world.take("[WARN] a\n").starts_with("level=warning "));
  CHECK(world.take("[ERROR] a\n").starts_with("level=error "));
  CHECK(world.take("[TRACE] a\n").empty());
  CHECK(world.take("panic: dying\n\ngoroutine 27\n") ==
        "level=error msg=\"panic: dying\" subsystem_name=ext.rich\nlevel=error subsystem_name=ext.rich\n"
        "level=error msg=\"goroutine 27\" subsystem_name=ext.rich\n");
}

TEST_CASE("Lines come in any pieces; a very long one is cut, and the last needs no newline") {
  World world;
  CHECK(world.take("ha").empty());
  CHECK(world.take("lf\nnext").starts_with("level=debug msg=half "));
  world.lines.clear();
  world.log.end();
  CHECK(world.lines.find("msg=next") != std::string::npos);
  const std::string text = world.take(std::string(kPluginLineBytesMax + 10, 'x') + "\nshort\n");
  CHECK(std::count(text.begin(), text.end(), '\n') == 3);
  CHECK(text.ends_with(
      "\nlevel=debug msg=xxxxxxxxxx subsystem_name=ext.rich\nlevel=debug msg=short subsystem_name=ext.rich\n"));
}

TEST_CASE("A level that is off costs no line") {
  World world(LogLevel::kInfo);
  CHECK(world.take("plain\n" + hclog("debug")).empty());
  CHECK(world.take(hclog("info")).starts_with("level=info "));
  World json(LogLevel::kDebug, LogFormat::kJson);
  CHECK(json.take(hclog("info", ",\"m\":{\"b\":[null,1e6],\"a\":\"<\"}"))
            .find("\"m\":{\"a\":\"\\u003c\",\"b\":[null,1000000]}") != std::string::npos);
}
