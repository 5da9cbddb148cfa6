// Assertions are for our own bugs and stay on in release builds. Bad input is an Error, never an assertion.
#pragma once

namespace steeple::runtime {

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace steeple::runtime

#define STEEPLE_ASSERT(condition)                                           \
  do {                                                                      \
    if (!(condition)) [[unlikely]]                                          \
      ::steeple::runtime::assertion_failed(#condition, __FILE__, __LINE__); \
  } while (false)
