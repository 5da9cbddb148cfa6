#include "runtime/os/procfs.h"

#include <catch2/catch.hpp>
#include <string>

namespace steeple::runtime {

namespace {

// The fields after the name, with 4711 as the 22nd of the file.
const std::string kFields =
    " S 1 100 100 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 4711 1000 200 18446744073709551615 1 1 0 0 0 0 0 0 0 0 0 0 "
    "17 1 0 0 0 0 0\n";

const std::string kStatus =
    "Name:\tsh\nUmask:\t0022\nState:\tS (sleeping)\nUid:\t1000\t1001\t1002\t1003\nGid:\t2000\t2001\t2002\t2003\n"
    "FDSize:\t64\nGroups:\t4 20 24 \nSeccomp:\t0\n";

std::string message_of(const Result<std::uint64_t>& result) { return result ? "value" : result.error().message(); }

std::string without(std::string text, const std::string& part) { return text.erase(text.find(part), part.size()); }

}  // namespace

TEST_CASE("parse_proc_stat_start_time finds field 22 whatever the command is called") {
  for (std::string name : {"sh", "", "a b", ") S 1 (", "((", "))", "a\nb", "x) R 9 9 9"}) {
    CHECK(parse_proc_stat_start_time("123 (" + name + ")" + kFields).value() == 4711);
  }
}

TEST_CASE("parse_proc_stat_start_time refuses what is no stat file") {
  const std::string bare = "bad stat data: task name is not parenthesized";
  const std::string short_one = "bad stat data or unsupported platform";
  CHECK(message_of(parse_proc_stat_start_time("")) == bare);
  CHECK(message_of(parse_proc_stat_start_time("123 sh S 1")) == bare);
  CHECK(message_of(parse_proc_stat_start_time("123 )sh( S 1")) == bare);
  CHECK(message_of(parse_proc_stat_start_time("123 (sh)")) == short_one);
  CHECK(message_of(parse_proc_stat_start_time("123 (sh) S 1 2 3")) == short_one);
  const std::string fields = kFields.substr(0, kFields.find(" 17 1 0") + 3);  // 38 fields is the least
  CHECK(parse_proc_stat_start_time("123 (sh)" + fields).value() == 4711);
  CHECK(message_of(parse_proc_stat_start_time("123 (sh)" + fields.substr(0, fields.rfind(' ')))) == short_one);
  std::string not_a_number = "123 (sh)" + kFields;
  not_a_number.replace(not_a_number.find("4711"), 4, "47x1");
  CHECK(message_of(parse_proc_stat_start_time(not_a_number)) == short_one);
}

TEST_CASE("parse_proc_status reads ids and groups") {
  Result<ProcStatus> status = parse_proc_status(kStatus);
  REQUIRE(status);
  CHECK(status->uid == ProcStatus::Ids{1000, 1001});
  CHECK(status->gid == ProcStatus::Ids{2000, 2001});
  CHECK(status->groups == std::vector<gid_t>{4, 20, 24});
  std::string none = kStatus;
  none.replace(none.find("4 20 24 "), 8, " ");
  CHECK(parse_proc_status(none).value().groups.empty());
  std::string largest = kStatus;
  largest.replace(largest.find("1001"), 4, "4294967295");
  CHECK(parse_proc_status(largest).value().uid.effective == 4294967295u);
}

TEST_CASE("parse_proc_status refuses a missing or altered line") {
  CHECK(parse_proc_status("").error().message() == "no valid line \"Uid:\" in process status");
  CHECK(parse_proc_status(without(kStatus, "Gid:\t2000\t2001\t2002\t2003\n")).error().message() ==
        "no valid line \"Gid:\" in process status");
  CHECK(parse_proc_status(without(kStatus, "Groups:\t4 20 24 \n")).error().message() ==
        "no valid line \"Groups:\" in process status");
  for (std::string bad : {"x", "-1", "4294967296", "1001x", " "}) {
    std::string altered = kStatus;
    altered.replace(altered.find("1001\t1002\t1003"), 14, bad);
    CHECK_FALSE(parse_proc_status(altered));
  }
  std::string many = kStatus;
  std::string groups;
  for (std::size_t i = 0; i <= kSupplementaryGroupsMax; ++i) groups += "7 ";
  many.replace(many.find("4 20 24 "), 8, groups);
  CHECK_FALSE(parse_proc_status(many));
}

TEST_CASE("parse_proc_status is not misled by a line inside the name") {
  std::string text = "Name:\tUid:\nx" + kStatus.substr(kStatus.find("\nUmask"));
  CHECK(parse_proc_status(text).value().uid.real == 1000);
}

}  // namespace steeple::runtime
