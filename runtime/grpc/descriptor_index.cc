#include "runtime/grpc/descriptor_index.h"

namespace steeple::runtime::grpc {
namespace {

// Field numbers of google/protobuf/descriptor.proto.
constexpr std::uint32_t kName = 1;  // of every descriptor
namespace set_field {
constexpr std::uint32_t kFile = 1;
}
namespace file_field {
constexpr std::uint32_t kPackage = 2, kDependency = 3, kMessage = 4, kEnum = 5, kService = 6, kExtension = 7;
}
namespace message_field {
constexpr std::uint32_t kField = 2, kNested = 3, kEnum = 4, kExtension = 6, kOneof = 8;
}
namespace enum_field {
constexpr std::uint32_t kValue = 2;
}
namespace service_field {
constexpr std::uint32_t kMethod = 2;
}
namespace extension_field {
constexpr std::uint32_t kExtendee = 2, kNumber = 3;
}

std::string_view text_field(BytesView message, std::uint32_t number) {
  std::string_view text;
  WireReader reader(message);
  for (WireField field; reader.next(field);)
    if (field.number == number) text = as_text(field.bytes);
  return text;
}

}  // namespace

// Where names are defined: a package, message or service, and the file.
struct DescriptorIndex::Scope {
  const File& file;
  std::string prefix;  // with its dot, or empty
  Scope within(std::string_view name) const { return {file, prefix + std::string(name) + "."}; }
};

Result<DescriptorIndex> DescriptorIndex::read(BytesView descriptor_set) {
  DescriptorIndex index;
  WireReader reader(descriptor_set);
  bool good = true;
  for (WireField field; good && reader.next(field);)
    if (field.number == set_field::kFile) good = index.read_file(field.bytes);
  if (!good || reader.malformed()) return Error(ErrorCode::kMalformed, "no google.protobuf.FileDescriptorSet");
  return index;
}

bool DescriptorIndex::read_file(BytesView encoded) {
  File& file = files_[text_field(encoded, kName)];
  file.name = text_field(encoded, kName);
  file.encoded = encoded;
  const std::string_view package = text_field(encoded, file_field::kPackage);
  Scope scope{file, package.empty() ? std::string() : std::string(package) + "."};
  WireReader reader(encoded);
  bool good = true;
  for (WireField field; good && reader.next(field);) {
    if (field.number == file_field::kDependency) file.imports.push_back(as_text(field.bytes));
    if (field.number == file_field::kMessage) good = read_message(scope, field.bytes);
    if (field.number == file_field::kEnum) good = read_enum(scope, field.bytes);
    if (field.number == file_field::kService) good = read_service(scope, field.bytes);
    if (field.number == file_field::kExtension) good = read_extension(scope, field.bytes);
  }
  return good && !reader.malformed();
}

bool DescriptorIndex::read_message(const Scope& outer, BytesView encoded) {
  const std::string_view name = text_field(encoded, kName);
  add(outer, name);
  const Scope scope = outer.within(name);
  WireReader reader(encoded);
  bool good = true;
  for (WireField field; good && reader.next(field);) {
    if (field.number == message_field::kField) good = add_named(scope, field.bytes);
    if (field.number == message_field::kOneof) good = add_named(scope, field.bytes);
    if (field.number == message_field::kNested) good = read_message(scope, field.bytes);
    if (field.number == message_field::kEnum) good = read_enum(scope, field.bytes);
    if (field.number == message_field::kExtension) good = read_extension(scope, field.bytes);
  }
  return good && !reader.malformed();
}

// An enum's values are its siblings, not its members.
bool DescriptorIndex::read_enum(const Scope& outer, BytesView encoded) {
  add(outer, text_field(encoded, kName));
  WireReader reader(encoded);
  bool good = true;
  for (WireField field; good && reader.next(field);)
    if (field.number == enum_field::kValue) good = add_named(outer, field.bytes);
  return good && !reader.malformed();
}

bool DescriptorIndex::read_service(const Scope& outer, BytesView encoded) {
  const std::string_view name = text_field(encoded, kName);
  add(outer, name);
  const Scope scope = outer.within(name);
  WireReader reader(encoded);
  bool good = true;
  for (WireField field; good && reader.next(field);)
    if (field.number == service_field::kMethod) good = add_named(scope, field.bytes);
  return good && !reader.malformed();
}

bool DescriptorIndex::read_extension(const Scope& outer, BytesView encoded) {
  std::string_view extendee = text_field(encoded, extension_field::kExtendee);
  if (extendee.starts_with('.')) extendee.remove_prefix(1);
  std::int32_t number = 0;
  WireReader reader(encoded);
  for (WireField field; reader.next(field);)
    if (field.number == extension_field::kNumber) number = static_cast<std::int32_t>(field.value);
  extensions_[std::string(extendee)][number] = &outer.file;
  return add_named(outer, encoded);
}

bool DescriptorIndex::add_named(const Scope& scope, BytesView encoded) {
  WireReader reader(encoded);
  for (WireField field; reader.next(field);)
    if (field.number == kName) add(scope, as_text(field.bytes));
  return !reader.malformed();
}

void DescriptorIndex::add(const Scope& scope, std::string_view name) {
  symbols_.emplace(scope.prefix + std::string(name), &scope.file);
}

const DescriptorIndex::File* DescriptorIndex::file(std::string_view name) const {
  const auto found = files_.find(name);
  return found == files_.end() ? nullptr : &found->second;
}

const DescriptorIndex::File* DescriptorIndex::file_of_symbol(const std::string& symbol) const {
  const auto found = symbols_.find(symbol);
  return found == symbols_.end() ? nullptr : found->second;
}

const DescriptorIndex::File* DescriptorIndex::file_of_extension(const std::string& extended_type,
                                                                std::int32_t number) const {
  const auto type = extensions_.find(extended_type);
  if (type == extensions_.end()) return nullptr;
  const auto found = type->second.find(number);
  return found == type->second.end() ? nullptr : found->second;
}

std::vector<std::int32_t> DescriptorIndex::extension_numbers(const std::string& extended_type) const {
  std::vector<std::int32_t> numbers;
  if (const auto type = extensions_.find(extended_type); type != extensions_.end())
    for (const auto& [number, file] : type->second) numbers.push_back(number);
  return numbers;
}

}  // namespace steeple::runtime::grpc
