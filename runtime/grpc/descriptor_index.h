// Protobuf files by name, by the symbols they define and by the extensions they make: what reflection answers from.
// Made from an encoded google.protobuf.FileDescriptorSet, which outlives the index. Immutable.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "runtime/core/result.h"
#include "runtime/grpc/wire.h"

namespace steeple::runtime::grpc {

class DescriptorIndex {
 public:
  struct File {
    std::string_view name;
    BytesView encoded;  // a google.protobuf.FileDescriptorProto
    std::vector<std::string_view> imports;
  };

  static Result<DescriptorIndex> read(BytesView descriptor_set);

  // Null: no such thing. A symbol is a service, method, message, enum, enum value, field, oneof or extension, by its
  // full name without a leading dot; a package is none.
  const File* file(std::string_view name) const;
  const File* file_of_symbol(const std::string& symbol) const;
  const File* file_of_extension(const std::string& extended_type, std::int32_t number) const;
  std::vector<std::int32_t> extension_numbers(const std::string& extended_type) const;  // ascending

 private:
  DescriptorIndex() = default;
  struct Scope;
  bool read_file(BytesView encoded);
  bool read_message(const Scope& outer, BytesView encoded);
  bool read_enum(const Scope& outer, BytesView encoded);
  bool read_service(const Scope& outer, BytesView encoded);
  bool read_extension(const Scope& outer, BytesView encoded);
  bool add_named(const Scope& scope, BytesView encoded);
  void add(const Scope& scope, std::string_view name);

  std::map<std::string_view, File> files_;
  std::unordered_map<std::string, const File*> symbols_;
  std::map<std::string, std::map<std::int32_t, const File*>> extensions_;
};

}  // namespace steeple::runtime::grpc
