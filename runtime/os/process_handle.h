// A process, pinned for the length of one attestation (attestation 6.1): /proc/PID is opened, then the peer is shown to
// have been alive after the open, so every read through the handle is about that very process. Facts are read anew each
// time.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"
#include "runtime/os/file_descriptor.h"
#include "runtime/os/peer.h"

namespace steeple::runtime {

class ProcessHandle {
 public:
  // `peer` must outlive the handle. kNotFound when it has gone. Costs an open and a poll, as it runs on every RPC;
  // nothing when the keeper has the process since an earlier RPC of the same connection.
  static Result<ProcessHandle> open(const Peer& peer, ProcessKeeper* keeper = nullptr);

  pid_t pid() const { return peer_->credentials().pid; }
  const PeerCredentials& credentials() const { return peer_->credentials(); }

  // A file below /proc/PID, at most `size_max` bytes (kLimit above).
  Result<std::string> read(const char* name, std::size_t size_max) const;
  Result<std::string> read_status() const;  // `status`, at most kProcStatusBytesMax
  Result<std::string> read_link(const char* name) const;
  Result<FileDescriptor> open_file(const char* name) const;  // read-only; follows magic links such as exe

  // Still the same process, with the uid and gid it connected with? Asked after attestation, before selectors are
  // believed. Error texts are upstream's (endpoints 1.4).
  Result<void> verify_alive() const;

 private:
  ProcessHandle(const Peer& peer, FileDescriptor directory) : peer_(&peer), own_directory_(std::move(directory)) {}
  ProcessHandle(const Peer& peer, std::shared_ptr<const ProcessFiles> files) : peer_(&peer), kept_(std::move(files)) {}
  Result<void> keep_files(ProcessKeeper& keeper);
  Result<void> verify_running() const;
  int directory() const { return kept_ ? kept_->directory.get() : own_directory_.get(); }
  const Peer* peer_;
  FileDescriptor own_directory_;  // or
  std::shared_ptr<const ProcessFiles> kept_;
};

}  // namespace steeple::runtime
