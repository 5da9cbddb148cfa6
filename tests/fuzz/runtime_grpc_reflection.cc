// Reflection's questions: whatever comes in is answered or refused.
#include "runtime/grpc/reflection.h"

using namespace steeple::runtime;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  grpc::ServiceTable table;
  // A file "a.proto" with a message "M".
  static const std::string files =
      "\x0a\x0e\x0a\x07"
      "a.proto"
      "\x22\x03\x0a\x01M";
  grpc::ReflectionService service(table, as_bytes(files));
  grpc::ReflectionService::FilesSent sent;
  static_cast<void>(service.answer({data, size}, sent));
  return 0;
}
