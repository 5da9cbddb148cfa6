// Keeps somebody in step with the objects of one kind: reads their list, then watches from the list's version on
// (kubernetes.io, "Efficient detection of changes"). A watch that the server ends is begun again where it ended; after
// anything else that ends one (410 Gone, an unreadable event, an API server that goes away) the list is read anew, with
// back-off. Only metadata is asked for. Limits: kKubeWatchTime a watch, kKubeListPage objects an answer. Owned by whose
// listener it is; I/O thread only.
#pragma once

#include <optional>

#include "attestation/kube/api.h"
#include "runtime/core/backoff.h"
#include "runtime/core/log.h"
#include "runtime/loop/loop.h"

namespace steeple::attestation {

inline constexpr std::chrono::minutes kKubeWatchTime{4};
inline constexpr std::chrono::seconds kKubeWatchGrace{15};  // for the server to end it
inline constexpr int kKubeListPage = 500;
inline constexpr std::chrono::milliseconds kKubeRelistMin{800};
inline constexpr std::chrono::seconds kKubeRelistMax{30};
inline constexpr std::chrono::seconds kKubeWatchTooShort{1};  // without an event: a server that does not watch

class KubeListener {
 public:
  virtual ~KubeListener() = default;
  virtual void listed(std::vector<KubeMeta> all) = 0;  // these, and no others
  virtual void changed(const KubeMeta& object) = 0;    // it is new or another
  virtual void removed(const std::string& name) = 0;
  virtual void lost() = 0;  // changes may be missed until the next list
};

class KubeWatcher {
 public:
  struct Target {
    std::string path;   // "/api/v1/namespaces"
    std::string query;  // "labelSelector=...", or empty
  };
  // `api` and `listener` outlive the task of run().
  KubeWatcher(runtime::Loop& loop, KubeApi& api, Target target, KubeListener& listener, runtime::Logger log,
              runtime::Backoff::Limits retry = {kKubeRelistMin, kKubeRelistMax});

  runtime::Task<void> run(runtime::StopToken stop);  // until stopped

  bool in_step() const { return in_step_; }
  // Since when changes may have been missed; nothing while in step, and before the first list.
  std::optional<runtime::SteadyTime> lost_since() const { return lost_since_; }
  const std::optional<runtime::Error>& last_error() const { return last_error_; }

 private:
  runtime::Task<runtime::Result<void>> list(runtime::StopToken stop);
  runtime::Task<runtime::Result<void>> follow(runtime::StopToken stop);
  void take(const KubeEvent& event);
  KubeRequest request(std::string_view kind, std::string query) const;
  void note_lost(runtime::Error error);

  runtime::Loop& loop_;
  KubeApi& api_;
  Target target_;
  KubeListener& listener_;
  runtime::Logger log_;
  runtime::Backoff backoff_;
  std::string version_;
  std::optional<runtime::Error> refused_;  // by an event of the watch under way
  bool heard_ = false;                     // an event of it
  bool gone_ = false;                      // its version is too old; happens on any API server
  bool in_step_ = false;
  std::optional<runtime::SteadyTime> lost_since_;
  std::optional<runtime::Error> last_error_;
};

}  // namespace steeple::attestation
