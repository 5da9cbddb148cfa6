// grpc.reflection.v1.ServerReflection and its twin v1alpha: which services a table has, and the protobuf files that
// describe them, so that a client such as grpcurl needs no files of its own (endpoints 1.2; texts and order as
// grpc-go's server answers). What it knows of files it is given as a descriptor set. Owned by the composition root;
// outlives the server. I/O thread only. Limits: an answer holds each file at most once; a stream remembers which it has
// had.
#pragma once

#include <optional>
#include <set>

#include "runtime/grpc/descriptor_index.h"
#include "runtime/grpc/service.h"

namespace steeple::runtime::grpc {

class ReflectionService {
 public:
  // `table` is the one that is served; it and the set (an encoded google.protobuf.FileDescriptorSet, well-formed)
  // outlive this object. The set is read when somebody first asks.
  ReflectionService(const ServiceTable& table, BytesView descriptor_set)
      : table_(table), descriptor_set_(descriptor_set) {}
  void add_to(ServiceTable& table);

  Task<Status> reflect(ServerCall& call);

  // One question of a stream and its answer, both encoded, or the status that the stream ends with.
  using FilesSent = std::set<std::string_view>;
  Result<std::string, Status> answer(BytesView question, FilesSent& sent);

 private:
  const DescriptorIndex& files();

  const ServiceTable& table_;
  BytesView descriptor_set_;
  std::optional<DescriptorIndex> files_;
};

}  // namespace steeple::runtime::grpc
