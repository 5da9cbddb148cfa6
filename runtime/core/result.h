// The one error convention: a must-use Result<T> that holds a value or an Error. Nothing of ours throws.
// An Error is a neutral code and a text that gains context at each hop ("fetch entries: connect: refused").
// Only runtime/grpc/status turns a code into a wire status; only agent/endpoints holds texts that SPIRE's clients read.
#pragma once

#include <string>
#include <string_view>
#include <tl/expected.hpp>
#include <type_traits>
#include <utility>

namespace steeple::runtime {

enum class ErrorCode {
  kCancelled,        // the caller's StopToken fired
  kDeadline,         // the wait's Deadline passed
  kClosed,           // the other end went away in an orderly manner
  kLimit,            // a bound of ours was reached
  kMalformed,        // input that does not follow its format
  kInvalidArgument,  // well-formed input with a value that is not allowed
  kDenied,
  kNotFound,
  kAlreadyExists,
  kFailedPrecondition,
  kUnavailable,  // a remote part cannot be reached now
  kUnauthenticated,
  kUnimplemented,
  kUntrusted,  // a certificate chain without a path to a trusted authority (and nothing else)
  kTls,
  kSystem,  // a system call failed; the text names errno
  kInternal,
};

std::string_view to_string(ErrorCode code);

class Error {
 public:
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  ErrorCode code() const { return code_; }
  const std::string& message() const { return message_; }

  // "DOING: CAUSE", keeping the code.
  Error with_context(std::string_view doing) &&;
  Error with_context(std::string_view doing) const&;

  bool operator==(const Error&) const = default;

 private:
  ErrorCode code_;
  std::string message_;
};

// "DOING: strerror text" with kSystem (kNotFound for ENOENT, kDenied for EACCES and EPERM).
Error system_error(std::string_view doing, int error_number);

template <class T, class E = Error>
class [[nodiscard]] Result : public tl::expected<T, E> {
  using Base = tl::expected<T, E>;

 public:
  using Base::Base;
  Result(E error) : Base(tl::unexpect, std::move(error)) {}  // NOLINT(google-explicit-constructor)
};

template <class E>
class [[nodiscard]] Result<void, E> : public tl::expected<void, E> {
  using Base = tl::expected<void, E>;

 public:
  using Base::Base;
  Result(E error) : Base(tl::unexpect, std::move(error)) {}  // NOLINT(google-explicit-constructor)
};

// Adds context to the error of a result and passes a value through.
template <class T>
Result<T> with_context(Result<T> result, std::string_view doing) {
  if (result) return result;
  return std::move(result.error()).with_context(doing);
}

}  // namespace steeple::runtime

#define STEEPLE_JOIN_2(a, b) a##b
#define STEEPLE_JOIN(a, b) STEEPLE_JOIN_2(a, b)

// STEEPLE_TRY(name, expression): declares `name` with the value, or returns the error from this function.
// STEEPLE_CO_TRY is the same inside a coroutine. STEEPLE_CHECK and STEEPLE_CO_CHECK are for Result<void>.
#define STEEPLE_TRY_IMPL(return_word, temporary, declaration, ...) \
  auto temporary = (__VA_ARGS__);                                  \
  if (!temporary) return_word std::move(temporary.error());        \
  declaration = std::move(*temporary)
#define STEEPLE_TRY(name, ...) STEEPLE_TRY_IMPL(return, STEEPLE_JOIN(try_result_, __LINE__), auto name, __VA_ARGS__)
#define STEEPLE_CO_TRY(name, ...) \
  STEEPLE_TRY_IMPL(co_return, STEEPLE_JOIN(try_result_, __LINE__), auto name, __VA_ARGS__)
#define STEEPLE_CHECK_IMPL(return_word, temporary, ...) \
  if (auto temporary = (__VA_ARGS__); !temporary) return_word std::move(temporary.error())
#define STEEPLE_CHECK(...) STEEPLE_CHECK_IMPL(return, STEEPLE_JOIN(check_result_, __LINE__), __VA_ARGS__)
#define STEEPLE_CO_CHECK(...) STEEPLE_CHECK_IMPL(co_return, STEEPLE_JOIN(check_result_, __LINE__), __VA_ARGS__)
