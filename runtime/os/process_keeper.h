// Keeps open what an attestation reads of a process (/proc/PID and its `status`), for connections that call again and
// again: opening them is half of what an attestation costs. What they say is read anew at each call, and they belong to
// that very process: its number may be another's later, they are not. At most kKeptMax, those that called last. I/O
// thread only.
#pragma once

#include <boost/intrusive/list.hpp>
#include <cstdint>
#include <memory>

#include "runtime/os/file_descriptor.h"

namespace steeple::runtime {

struct ProcessFiles {
  FileDescriptor directory;
  FileDescriptor status;
};

// Part of a peer (peer.h). A connection of one call costs no more than this, and its files are not kept.
struct CallsOfPeer {
  struct Kept : boost::intrusive::list_base_hook<boost::intrusive::link_mode<boost::intrusive::auto_unlink>> {
    std::shared_ptr<const ProcessFiles> files;
  };
  std::unique_ptr<Kept> kept;
  bool called_before = false;
};

class ProcessKeeper {
 public:
  static constexpr std::size_t kKeptMax = 64;
  ProcessKeeper() = default;
  ~ProcessKeeper();
  ProcessKeeper(const ProcessKeeper&) = delete;
  ProcessKeeper& operator=(const ProcessKeeper&) = delete;

  // Null: not kept, or no more.
  std::shared_ptr<const ProcessFiles> find(CallsOfPeer& calls);
  void keep(CallsOfPeer& calls, std::shared_ptr<const ProcessFiles> files);
  std::size_t size() const { return kept_.size(); }

 private:
  using List = boost::intrusive::list<CallsOfPeer::Kept, boost::intrusive::constant_time_size<false>>;
  List kept_;  // who called last at the back
};

}  // namespace steeple::runtime
