#include "agent/sync/sync_machine.h"

#include <catch2/catch.hpp>

#include "agent/sync/mint_schedule.h"
#include "agent/sync/rotation_schedule.h"

using namespace steeple;
using namespace steeple::agent;
using namespace std::chrono_literals;
using runtime::SteadyTime;

namespace {

const SteadyTime kStart = SteadyTime(1000h);

// 0.5 is the middle of every jitter.
runtime::RandomUnit fixed(double value) {
  return [value] { return value; };
}

std::chrono::milliseconds wait_after(SyncMachine& machine, PassResult result, SteadyTime now) {
  machine.started(now);
  machine.finished(result, now);
  return std::chrono::round<std::chrono::milliseconds>(machine.next_start() - now);
}

}  // namespace

TEST_CASE("SyncMachine starts at once and then keeps the interval with its jitter") {
  SyncMachine machine(5s, fixed(0.5), kStart);
  CHECK(machine.next_start() == kStart);
  CHECK(wait_after(machine, PassResult::kOk, kStart) == 5s);
  CHECK(wait_after(machine, PassResult::kOk, kStart + 5s) == 5s);
  SyncMachine early(5s, fixed(0), kStart);
  CHECK(wait_after(early, PassResult::kOk, kStart) == 4500ms);
}

TEST_CASE("SyncMachine looks at least every 5 s while no SVID is cached") {
  SyncMachine machine(60s, fixed(0.5), kStart);
  CHECK(wait_after(machine, PassResult::kOkWithoutSvids, kStart) == 5s);
  CHECK(wait_after(machine, PassResult::kOk, kStart) == 60s);
}

TEST_CASE("SyncMachine backs off after failures up to 48 intervals, and starts over after a success") {
  SyncMachine machine(5s, fixed(0.5), kStart);
  CHECK(wait_after(machine, PassResult::kOk, kStart) == 5s);
  CHECK(wait_after(machine, PassResult::kFailed, kStart) == 7500ms);
  CHECK(wait_after(machine, PassResult::kFailed, kStart) == 11250ms);
  for (int i = 0; i < 20; ++i) wait_after(machine, PassResult::kFailed, kStart);
  CHECK(wait_after(machine, PassResult::kFailed, kStart) == 240s);
  wait_after(machine, PassResult::kOk, kStart);
  CHECK(wait_after(machine, PassResult::kOk, kStart + kAfterOutage) == 5s);
}

TEST_CASE("SyncMachine looks more often for some seconds after an outage") {
  for (PassResult failure : {PassResult::kUnreachable, PassResult::kFailed}) {
    SyncMachine machine(5s, fixed(0.5), kStart);
    wait_after(machine, failure, kStart);
    CHECK(wait_after(machine, PassResult::kOk, kStart) == 2s);
    CHECK(wait_after(machine, PassResult::kOk, kStart + 2s) == 2s);
    CHECK(wait_after(machine, PassResult::kOk, kStart + 4s) == 2s);
    CHECK(wait_after(machine, PassResult::kOk, kStart + 6s) == 5s);
    CHECK(wait_after(machine, PassResult::kOk, kStart + 11s) == 5s);
  }
  SyncMachine quick(1s, fixed(0.5), kStart);
  wait_after(quick, PassResult::kUnreachable, kStart);
  CHECK(wait_after(quick, PassResult::kOk, kStart) == 1s);
}

TEST_CASE("SyncMachine tries an unreachable server again within 6.5 s, with full jitter") {
  for (double draw : {0.0, 0.5, 0.999}) {
    SyncMachine machine(5s, fixed(draw), kStart);
    std::chrono::milliseconds last{0};
    for (int i = 0; i < 100; ++i) {
      last = wait_after(machine, PassResult::kUnreachable, kStart);
      CHECK(last >= kUnreachableWaitMin);
      CHECK(last <= kUnreachableWaitMax);
    }
    CHECK(last == std::chrono::round<std::chrono::milliseconds>(500ms + 6000ms * draw));
  }
}

TEST_CASE("SyncMachine passes early, and again soon for a workload that has just started") {
  SyncMachine machine(5s, fixed(0.5), kStart);
  wait_after(machine, PassResult::kOk, kStart);
  CHECK(machine.request_early(kStart + 50ms));
  CHECK(machine.next_start() == kStart + 200ms);
  CHECK(machine.request_early(kStart + 100ms));
  CHECK(machine.next_start() == kStart + 200ms);
  wait_after(machine, PassResult::kOk, kStart + 200ms);
  CHECK(machine.next_start() == kStart + 5200ms);
  CHECK(machine.request_early(kStart + 3s));
  CHECK(machine.next_start() == kStart + 3s);
}

TEST_CASE("SyncMachine passes early at most once a second in the long run, and then nobody waits for it") {
  SyncMachine machine(1h, fixed(0.5), kStart);
  wait_after(machine, PassResult::kOk, kStart);
  int passes = 0;
  int in_first_second = 0;
  int waiting_later = 0;
  for (auto now = kStart; now < kStart + 60s; now += 50ms) {
    const bool worth_waiting = machine.request_early(now);
    if (worth_waiting && now >= kStart + 20s) ++waiting_later;
    if (machine.next_start() > now) continue;
    wait_after(machine, PassResult::kOk, now);
    ++passes;
    if (now < kStart + 1s) ++in_first_second;
  }
  CHECK(in_first_second == 4);
  CHECK(passes == 60 + kEarlySyncBurst - 1);
  CHECK(waiting_later == 40 * 5);  // of 20 a second
  CHECK_FALSE(machine.request_early(kStart + 59950ms));
  CHECK(machine.request_early(kStart + 120s));  // and is fresh again after a rest
}

TEST_CASE("SyncMachine passes early less often the slower the server is") {
  SyncMachine machine(1h, fixed(0.5), kStart);
  machine.started(kStart);
  machine.finished(PassResult::kOk, kStart + 30ms);
  machine.request_early(kStart + 50ms);
  CHECK(machine.next_start() == kStart + 630ms);
  machine.started(kStart + 630ms);
  machine.finished(PassResult::kOk, kStart + 4s);
  machine.request_early(kStart + 4s);
  CHECK(machine.next_start() == kStart + 5s);
}

TEST_CASE("SyncMachine passes again for a request that came during a pass") {
  SyncMachine machine(5s, fixed(0.5), kStart);
  machine.started(kStart);
  CHECK(machine.request_early(kStart + 10ms));  // worth waiting for
  machine.finished(PassResult::kOk, kStart + 20ms);
  CHECK(machine.next_start() == kStart + 420ms);
  wait_after(machine, PassResult::kOk, kStart + 420ms);
  CHECK(machine.next_start() == kStart + 5420ms);
}

TEST_CASE("SyncMachine grants no early pass while the server fails") {
  SyncMachine machine(5s, fixed(0.5), kStart);
  wait_after(machine, PassResult::kOk, kStart);
  wait_after(machine, PassResult::kUnreachable, kStart);
  const SteadyTime next = machine.next_start();
  CHECK_FALSE(machine.request_early(kStart));
  CHECK(machine.next_start() == next);
}

TEST_CASE("MintSchedule halves the batch after a failed call and doubles it after a good one") {
  MintSchedule schedule(fixed(0.5), kStart);
  CHECK(schedule.batch_max() == 500);
  schedule.call_failed(false, kStart);
  CHECK(schedule.batch_max() == 250);
  CHECK(schedule.not_before() == kStart + 500ms);
  for (int i = 0; i < 20; ++i) schedule.call_failed(false, kStart);
  CHECK(schedule.batch_max() == 1);
  schedule.call_succeeded(kStart);
  CHECK(schedule.batch_max() == 2);
  for (int i = 0; i < 20; ++i) schedule.call_succeeded(kStart);
  CHECK(schedule.batch_max() == 500);
}

TEST_CASE("MintSchedule waits at most 6 s for an unreachable server, and not at all once it is back") {
  MintSchedule schedule(fixed(0.999), kStart);
  for (int i = 0; i < 30; ++i) {
    schedule.call_failed(true, kStart);
    CHECK(schedule.not_before() <= kStart + 6600ms);
  }
  schedule.server_is_back(kStart + 1ms);
  CHECK(schedule.not_before() == kStart + 1ms);
}

TEST_CASE("MintSchedule lets each refused entry wait by itself") {
  MintSchedule schedule(fixed(0.5), kStart);
  CHECK(schedule.entry_refused("a", kStart) == kStart + 500ms);
  CHECK(schedule.entry_refused("a", kStart) == kStart + 750ms);
  CHECK(schedule.entry_refused("b", kStart) == kStart + 500ms);
  schedule.entry_signed("a");
  CHECK(schedule.entry_refused("a", kStart) == kStart + 500ms);
  CHECK(schedule.not_before() == kStart);
}

TEST_CASE("rotation_time lies within a tenth around half of the lifetime") {
  const runtime::WallTime begin(100h);
  CHECK(rotation_time(begin, begin + 60min, 0ns, fixed(0.5)) == begin + 30min);
  CHECK(rotation_time(begin, begin + 60min, 0ns, fixed(0)) == begin + 33min);
  CHECK(rotation_time(begin, begin + 60min, 0ns, fixed(1)) == begin + 27min);
}

TEST_CASE("rotation_time honours the availability target where the lifetime allows it") {
  const runtime::WallTime begin(100h);
  CHECK(rotation_time(begin, begin + 48h, 30h, fixed(0)) == begin + 18h);
  CHECK(rotation_time(begin, begin + 48h, 30h, fixed(1)) == begin + 48h - 30h - 10min);
  CHECK(rotation_time(begin, begin + 40h, 30h, fixed(0.5)) == begin + 20h);  // less than 12 h of grace: ignored
  CHECK(rotation_time(begin, begin + 100h, 24h, fixed(0.5)) == begin + 50h);
}
