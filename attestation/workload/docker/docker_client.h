// Asks a daemon with the Docker Engine API over its Unix socket. Requests run on workers of its own and only so many at
// a time, together and for each daemon, so that one that hangs holds up none but its own containers. Owned by the
// attestor, outlives its requests. I/O thread only.
#pragma once

#include <map>
#include <string>

#include "attestation/workload/docker/inspect.h"
#include "runtime/core/deadline.h"
#include "runtime/http1/client.h"
#include "runtime/task/signal.h"

namespace steeple::attestation {

inline constexpr std::chrono::seconds kDockerRequestTimeout{10};
inline constexpr std::size_t kDockerHostsRemembered = 256;
inline constexpr std::size_t kDockerAnswerBytesMax = 4 * 1024 * 1024;

// What the attestor asks. `host` is an address as in the configuration: "unix:///PATH".
class DockerApi {
 public:
  virtual ~DockerApi() = default;
  // kNotFound and kUnavailable: the daemon's own refusal, in the words of Docker's client. kDeadline, kCancelled: the
  // caller's. kLimit: an answer above the limit. kMalformed: no answer about a container.
  virtual runtime::Task<runtime::Result<DockerContainer>> container(std::string host, std::string id,
                                                                    runtime::Deadline deadline,
                                                                    runtime::StopToken stop) = 0;
  virtual runtime::Task<runtime::Result<DockerImage>> image(std::string host, std::string name,
                                                            runtime::Deadline deadline, runtime::StopToken stop) = 0;
};

class DockerClient final : public DockerApi {
 public:
  struct Limits {
    unsigned workers = 4;
    std::size_t per_host = 2;  // requests under way
    std::size_t together = 16;
  };
  // `version`: "1.44", put into each path; empty: what the daemon itself names as its newest, asked once by /_ping and
  // again after a refusal; none where it names none.
  DockerClient(runtime::Loop& loop, std::string version, Limits limits);

  runtime::Task<runtime::Result<DockerContainer>> container(std::string host, std::string id,
                                                            runtime::Deadline deadline,
                                                            runtime::StopToken stop) override;
  runtime::Task<runtime::Result<DockerImage>> image(std::string host, std::string name, runtime::Deadline deadline,
                                                    runtime::StopToken stop) override;

 private:
  class Turn;
  runtime::HttpRequest request_to(const std::string& host, std::string_view path) const;
  runtime::Task<runtime::Result<std::string>> prefix_of(std::string host, runtime::Deadline deadline,
                                                        runtime::StopToken stop);
  runtime::Task<runtime::Result<std::string>> get(std::string host, std::string path, runtime::Deadline deadline,
                                                  runtime::StopToken stop);
  bool busy(const std::string& host) const;

  runtime::Loop& loop_;
  std::string prefix_;                           // "/v1.44", as configured
  std::map<std::string, std::string> prefixes_;  // by host, as the daemons say
  Limits limits_;
  runtime::WorkerPool workers_;
  runtime::HttpClient http_;
  std::map<std::string, std::size_t> under_way_;
  std::size_t together_ = 0;
  runtime::Signal freed_;
};

}  // namespace steeple::attestation
