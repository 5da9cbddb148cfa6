// How words, help, version and bad flags were answered by SPIRE 1.15.3.
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <set>

#include "recordings.h"

using namespace steeple::tests;

namespace {

// Works in an empty directory, where no configuration file is found.
class EmptyDirectory {
 public:
  EmptyDirectory() : before_(std::filesystem::current_path()) {
    char name[] = "/tmp/steeple-cli-XXXXXX";
    REQUIRE(mkdtemp(name) != nullptr);
    path_ = name;
    std::filesystem::current_path(path_);
  }
  ~EmptyDirectory() {
    std::filesystem::current_path(before_);
    std::filesystem::remove_all(path_);
  }
  const std::string& path() const { return path_; }

 private:
  std::filesystem::path before_;
  std::string path_;
};

// The top-level help is the answer recorded first.
constexpr const char* kTopHelp =
    "Usage: spire-agent [--version] [--help] <command> [<args>]\n\nAvailable commands are:\n    api            \n"
    "    debug          \n    healthcheck    <TEXT>\n    logger         \n    run            <TEXT>\n"
    "    validate       <TEXT>\n\n";

void check_recordings(const std::string& file, std::size_t count_min, const std::set<std::string>& left_out) {
  EmptyDirectory directory;
  const std::vector<Recording> recordings = load_recordings(
      file, {{"<TOP HELP>", kTopHelp}, {"1.15.3\n", STEEPLE_VERSION "\n"}, {"<TMP>", directory.path()}});
  REQUIRE(recordings.size() >= count_min);
  for (const Recording& recording : recordings) {
    if (left_out.contains(recording.id)) continue;
    INFO(file << ": " << recording.id);
    const Printed printed = run_recording(recording);
    CHECK(printed.exit == recording.exit);
    CHECK(printed.out == recording.out);
    INFO("printed:\n" << printed.err << "\nrecorded:\n" << recording.err);
    CHECK(matches(printed.err, recording.err));
  }
}

}  // namespace

TEST_CASE("Words select commands as recorded") { check_recordings("dispatch.jsonl", 53, {}); }

TEST_CASE("Flags are refused as recorded") {
  // Left out: flag-068 needs an agent.
  check_recordings("flag-errors.jsonl", 83, {"flag-068"});
}
