#include "runtime/os/process_keeper.h"

namespace steeple::runtime {

ProcessKeeper::~ProcessKeeper() {
  kept_.clear_and_dispose([](CallsOfPeer::Kept* kept) { kept->files.reset(); });
}

std::shared_ptr<const ProcessFiles> ProcessKeeper::find(CallsOfPeer& calls) {
  if (!calls.kept || !calls.kept->files) return nullptr;
  if (&kept_.back() != calls.kept.get()) {
    calls.kept->unlink();
    kept_.push_back(*calls.kept);
  }
  return calls.kept->files;
}

void ProcessKeeper::keep(CallsOfPeer& calls, std::shared_ptr<const ProcessFiles> files) {
  if (!calls.kept) calls.kept = std::make_unique<CallsOfPeer::Kept>();
  calls.kept->unlink();
  calls.kept->files = std::move(files);
  kept_.push_back(*calls.kept);
  if (kept_.size() <= kKeptMax) return;  // counted: a connection that has ended has left by itself
  CallsOfPeer::Kept& oldest = kept_.front();
  oldest.unlink();
  oldest.files.reset();
}

}  // namespace steeple::runtime
