// Awaits one Asio operation from a Task: no asio::awaitable, no exception, one kind of cancellation.
//   auto [error, size] = co_await async_op<boost::system::error_code, std::size_t>(
//       [&](auto handler) { socket.async_read_some(buffer, std::move(handler)); }, stop);
// When `stop` fires, the operation ends with operation_aborted. For a bound in time, see timeout.h.
#pragma once

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <coroutine>
#include <optional>
#include <tuple>

#include "runtime/task/stop_token.h"

namespace steeple::runtime {

template <class Initiate, class... Results>
class AsyncOp {
 public:
  AsyncOp(Initiate initiate, StopToken stop) : initiate_(std::move(initiate)), stop_(stop) {}

  bool await_ready() const noexcept { return false; }
  bool await_suspend(std::coroutine_handle<> waiter) {
    waiter_ = waiter;
    auto handler = [this](Results... results) {
      callback_.reset();
      results_.emplace(std::move(results)...);
      if (suspended_) waiter_.resume();
    };
    initiate_(boost::asio::bind_cancellation_slot(signal_.slot(), std::move(handler)));
    if (results_) return false;
    callback_.emplace(stop_, [this](StopReason) { signal_.emit(boost::asio::cancellation_type::terminal); });
    suspended_ = !results_;
    return suspended_;
  }
  std::tuple<Results...> await_resume() { return std::move(*results_); }

 private:
  Initiate initiate_;
  StopToken stop_;
  boost::asio::cancellation_signal signal_;
  std::optional<StopCallback> callback_;
  std::optional<std::tuple<Results...>> results_;
  std::coroutine_handle<> waiter_;
  bool suspended_ = false;
};

template <class... Results, class Initiate>
AsyncOp<Initiate, Results...> async_op(Initiate initiate, StopToken stop = {}) {
  return AsyncOp<Initiate, Results...>(std::move(initiate), stop);
}

}  // namespace steeple::runtime
