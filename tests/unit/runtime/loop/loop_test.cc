#include "runtime/loop/loop.h"

#include <boost/asio/post.hpp>
#include <catch2/catch.hpp>
#include <thread>

namespace steeple::runtime {

namespace {

// The least coroutine: runs at once, destroys itself at its end.
struct Fire {
  struct promise_type {
    Fire get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

struct Soon {
  Loop& loop;
  bool await_ready() const { return false; }
  void await_suspend(std::coroutine_handle<> waiter) { loop.resume_soon(waiter); }
  void await_resume() const {}
};

Fire note_twice(Loop& loop, std::vector<int>* notes, int first) {
  notes->push_back(first);
  co_await Soon{loop};
  notes->push_back(first + 10);
  co_await Soon{loop};
  notes->push_back(first + 20);
}

}  // namespace

TEST_CASE("Loop resumes later, in order, and never inline") {
  Loop loop;
  std::vector<int> notes;
  note_twice(loop, &notes, 1);
  note_twice(loop, &notes, 2);
  CHECK(notes == std::vector<int>{1, 2});
  CHECK_FALSE(loop.run());
  CHECK(notes == std::vector<int>{1, 2, 11, 12, 21, 22});
}

TEST_CASE("Loop lets other handlers run between two resumptions") {
  Loop loop;
  std::vector<int> notes;
  note_twice(loop, &notes, 1);
  boost::asio::post(loop.io(), [&] { notes.push_back(0); });
  loop.run();
  CHECK(notes == std::vector<int>{1, 11, 0, 21});
}

TEST_CASE("Loop runs what another thread posts") {
  Loop loop;
  auto guard = boost::asio::make_work_guard(loop.io());
  std::thread::id where;
  std::thread other([&] { loop.post([&] { where = std::this_thread::get_id(), loop.stop(); }); });
  CHECK(loop.run());
  other.join();
  CHECK(where == std::this_thread::get_id());
}

TEST_CASE("Loop tells being stopped from having no work, each time") {
  Loop loop;
  loop.post([&] { loop.stop(); });
  CHECK(loop.run());
  CHECK_FALSE(loop.run());
}

}  // namespace steeple::runtime
