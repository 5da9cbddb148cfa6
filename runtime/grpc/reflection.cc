#include "runtime/grpc/reflection.h"

#include <algorithm>
#include <deque>

#include "runtime/core/assert.h"
#include "runtime/core/go_text.h"
#include "runtime/grpc/framing.h"

namespace steeple::runtime::grpc {
namespace {

// Field numbers of grpc/reflection/v1/reflection.proto, which are those of v1alpha.
namespace request_field {
constexpr std::uint32_t kHost = 1, kFile = 3, kSymbol = 4, kExtension = 5, kExtensionNumbers = 6, kServices = 7;
}
namespace extension_field {
constexpr std::uint32_t kType = 1, kNumber = 2;
}
namespace response_field {
constexpr std::uint32_t kValidHost = 1, kOriginalRequest = 2, kFiles = 4, kExtensionNumbers = 5, kServices = 6,
                        kError = 7;
}

struct Question {
  std::string_view host;
  std::uint32_t kind = 0;  // the request_field; 0: none
  std::string_view text;
  std::int32_t number = 0;
};

bool is_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t size = utf8_sequence_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

bool read_extension(BytesView encoded, Question& question) {
  WireReader reader(encoded);
  for (WireField field; reader.next(field);) {
    if (field.number == extension_field::kType) question.text = as_text(field.bytes);
    if (field.number == extension_field::kNumber) question.number = static_cast<std::int32_t>(field.value);
  }
  return !reader.malformed();
}

std::optional<Question> read_question(BytesView encoded) {
  Question question;
  WireReader reader(encoded);
  for (WireField field; reader.next(field);) {
    if (field.type != WireType::kLengthDelimited) continue;
    if (field.number == request_field::kHost) {
      question.host = as_text(field.bytes);
    } else if (field.number >= request_field::kFile && field.number <= request_field::kServices) {
      question.kind = field.number;
      question.text = as_text(field.bytes);
      if (field.number == request_field::kExtension) {
        question.text = {};
        if (!read_extension(field.bytes, question)) return std::nullopt;
      }
    }
  }
  if (reader.malformed() || !is_utf8(question.host) || !is_utf8(question.text)) return std::nullopt;
  return question;
}

void append_not_found(std::string& response) {
  std::string error;
  append_number(error, 1, static_cast<std::uint64_t>(StatusCode::kNotFound));
  append_bytes(error, 2, "proto: not found");
  append_bytes(response, response_field::kError, error);
}

// The file and what it imports, breadth first; imports that the stream has had already are left out.
void append_files(const DescriptorIndex& index, const DescriptorIndex::File* wanted, ReflectionService::FilesSent& sent,
                  std::string& response) {
  if (wanted == nullptr) return append_not_found(response);
  std::string files;
  std::set<std::string_view> seen{wanted->name};
  std::deque<const DescriptorIndex::File*> queue{wanted};
  for (; !queue.empty(); queue.pop_front()) {
    const DescriptorIndex::File& file = *queue.front();
    if (sent.insert(file.name).second || &file == wanted) append_bytes(files, 1, as_text(file.encoded));
    for (std::string_view name : file.imports) {
      const DescriptorIndex::File* imported = index.file(name);
      if (imported != nullptr && seen.insert(imported->name).second) queue.push_back(imported);
    }
  }
  append_bytes(response, response_field::kFiles, files);
}

void append_extension_numbers(const DescriptorIndex& index, const std::string& type, std::string& response) {
  const std::vector<std::int32_t> numbers = index.extension_numbers(type);
  if (numbers.empty() && index.file_of_symbol(type) == nullptr) return append_not_found(response);
  std::string packed;
  for (std::int32_t number : numbers) append_varint(packed, static_cast<std::uint64_t>(number));
  std::string answer;
  append_bytes(answer, 1, type);
  if (!packed.empty()) append_bytes(answer, 2, packed);
  append_bytes(response, response_field::kExtensionNumbers, answer);
}

void append_services(const ServiceTable& table, std::string& response) {
  std::string list;
  for (std::string_view name : table.service_names()) {
    std::string service;
    append_bytes(service, 1, name);
    append_bytes(list, 1, service);
  }
  append_bytes(response, response_field::kServices, list);
}

Task<Status> reflect(void* service, ServerCall& call) {
  return static_cast<ReflectionService*>(service)->reflect(call);
}

}  // namespace

void ReflectionService::add_to(ServiceTable& table) {
  constexpr MethodKind kKind = MethodKind::kBidirectional;
  table.add(this, {{"/grpc.reflection.v1.ServerReflection/ServerReflectionInfo", kKind, &grpc::reflect},
                   {"/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", kKind, &grpc::reflect}});
}

const DescriptorIndex& ReflectionService::files() {
  if (!files_) {
    Result<DescriptorIndex> read = DescriptorIndex::read(descriptor_set_);
    STEEPLE_ASSERT(read.has_value());
    files_ = std::move(*read);
  }
  return *files_;
}

Result<std::string, Status> ReflectionService::answer(BytesView encoded, FilesSent& sent) {
  const std::optional<Question> question = read_question(encoded);
  if (!question) return undecodable_message();
  std::string response;
  if (!question->host.empty()) append_bytes(response, response_field::kValidHost, question->host);
  append_bytes(response, response_field::kOriginalRequest, as_text(encoded));
  const std::string text(question->text);
  switch (question->kind) {
    case request_field::kFile:
      append_files(files(), files().file(text), sent, response);
      break;
    case request_field::kSymbol:
      append_files(files(), files().file_of_symbol(text), sent, response);
      break;
    case request_field::kExtension:
      append_files(files(), files().file_of_extension(text, question->number), sent, response);
      break;
    case request_field::kExtensionNumbers:
      append_extension_numbers(files(), text, response);
      break;
    case request_field::kServices:
      append_services(table_, response);
      break;
    default:
      return Status(StatusCode::kInvalidArgument, "invalid MessageRequest: <nil>");
  }
  return response;
}

Task<Status> ReflectionService::reflect(ServerCall& call) {
  FilesSent sent;
  for (;;) {
    Result<std::optional<Bytes>> question = co_await call.receive();
    if (!question) co_return to_status(question.error());
    if (!*question) co_return Status::ok();
    Result<std::string, Status> response = answer(**question, sent);
    if (!response) co_return std::move(response.error());
    Result<void> sending = co_await call.send(make_message(as_bytes(*response)));
    if (!sending) co_return to_status(sending.error());
  }
}

}  // namespace steeple::runtime::grpc
