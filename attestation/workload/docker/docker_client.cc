#include "attestation/workload/docker/docker_client.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>

#include "attestation/workload/docker/docker_config.h"

namespace steeple::attestation {

using runtime::Deadline;
using runtime::Error;
using runtime::ErrorCode;
using runtime::HttpResponse;
using runtime::Result;
using runtime::StopToken;
using runtime::Task;

namespace {

constexpr std::size_t kMessageBytesMax = 1024;

// Names and ids as one or more segments of a path: what is not plain is percent-encoded, a slash stays.
std::string path_escaped(std::string_view text) {
  constexpr std::string_view kPlain = "-._~/:@!$&'()*+,;=";
  std::string out;
  for (char c : text) {
    const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (letter || kPlain.find(c) != std::string_view::npos) {
      out += c;
    } else {
      out += fmt::format("%{:02X}", static_cast<unsigned char>(c));
    }
  }
  return out;
}

bool is_version(std::string_view text) {
  const auto number = [](std::string_view part) {
    return !part.empty() && part.size() < 6 && part.find_first_not_of("0123456789") == std::string_view::npos;
  };
  const std::size_t dot = text.find('.');
  return dot != std::string_view::npos && number(text.substr(0, dot)) && number(text.substr(dot + 1));
}

std::string socket_of(std::string_view host) {
  if (host.starts_with(kUnixScheme)) host.remove_prefix(kUnixScheme.size());
  return std::string(host);
}

// A daemon that cannot be reached, in the words of Docker's client.
Error unreachable(const std::string& host, const Error& cause) {
  if (cause.code() != ErrorCode::kUnavailable) return cause;
  const bool usable = ::access(socket_of(host).c_str(), R_OK | W_OK) == 0;
  if (!usable && errno == EACCES) {
    return Error(ErrorCode::kUnavailable,
                 fmt::format("permission denied while trying to connect to the docker API at {}", host));
  }
  if (!usable) {
    return Error(ErrorCode::kUnavailable, fmt::format("failed to connect to the docker API at {}; check if the path is "
                                                      "correct and if the daemon is running: {}",
                                                      host, cause.message()));
  }
  return Error(ErrorCode::kUnavailable,
               fmt::format("Cannot connect to the Docker daemon at {}. Is the docker daemon running? ({})", host,
                           cause.message()));
}

Error refusal(const HttpResponse& answer, std::string_view path) {
  const ErrorCode code = answer.status_code == 404 ? ErrorCode::kNotFound : ErrorCode::kUnavailable;
  std::string message = parse_docker_message(answer.body);
  if (message.empty()) message = answer.body.substr(0, kMessageBytesMax);
  while (!message.empty() && (message.back() == '\n' || message.back() == ' ')) message.pop_back();
  if (message.empty()) {
    return Error(code, fmt::format("request returned {} for API route and version {}, check if the server supports the "
                                   "requested API version",
                                   answer.status, path));
  }
  return Error(code, "Error response from daemon: " + message);
}

}  // namespace

// Counts a request for as long as it is under way.
class DockerClient::Turn {
 public:
  Turn(DockerClient& client, std::string host) : client_(client), host_(std::move(host)) {
    ++client_.under_way_[host_];
    ++client_.together_;
  }
  ~Turn() {
    if (--client_.under_way_[host_] == 0) client_.under_way_.erase(host_);
    --client_.together_;
    client_.freed_.notify();
  }
  Turn(const Turn&) = delete;
  Turn& operator=(const Turn&) = delete;

 private:
  DockerClient& client_;
  std::string host_;
};

// A worker's queue never fills: a job that finds it full would run on the I/O thread.
DockerClient::DockerClient(runtime::Loop& loop, std::string version, Limits limits)
    : loop_(loop),
      prefix_(version.empty() ? "" : "/v" + version),
      limits_(limits),
      workers_(loop, limits.workers, limits.together + 1),
      http_(loop, workers_),
      freed_(loop) {}

bool DockerClient::busy(const std::string& host) const {
  const auto at = under_way_.find(host);
  return together_ >= limits_.together || (at != under_way_.end() && at->second >= limits_.per_host);
}

runtime::HttpRequest DockerClient::request_to(const std::string& host, std::string_view path) const {
  runtime::HttpRequest request;
  request.url = fmt::format("http://api.moby.localhost{}", path);
  request.unix_socket = socket_of(host);
  request.use_proxy = false;
  request.follow_redirects = false;
  request.body_size_max = kDockerAnswerBytesMax;
  request.headers = {"User-Agent: moby-client/steeple"};
  return request;
}

Task<Result<std::string>> DockerClient::prefix_of(std::string host, Deadline deadline, StopToken stop) {
  if (!prefix_.empty()) co_return prefix_;
  if (const auto known = prefixes_.find(host); known != prefixes_.end()) co_return known->second;
  runtime::HttpRequest ping = request_to(host, "/_ping");
  ping.method = "HEAD";
  ping.keep_headers = true;
  Result<HttpResponse> answer = co_await http_.send(std::move(ping), deadline, stop);
  if (!answer) co_return unreachable(host, answer.error());
  const std::vector<std::string> named = answer->header("api-version");
  std::string prefix = !named.empty() && is_version(named.front()) ? "/v" + named.front() : std::string();
  if (answer->status_code != 200) co_return prefix;
  if (prefixes_.size() >= kDockerHostsRemembered) prefixes_.clear();
  prefixes_[host] = prefix;
  co_return prefix;
}

Task<Result<std::string>> DockerClient::get(std::string host, std::string path, Deadline deadline, StopToken stop) {
  while (busy(host)) STEEPLE_CO_CHECK(co_await freed_.wait(deadline, stop));
  const Turn turn(*this, host);
  const Deadline bound = deadline.sooner(Deadline::after(loop_.now(), kDockerRequestTimeout));
  STEEPLE_CO_TRY(prefix, co_await prefix_of(host, bound, stop));
  const std::string target = prefix + path;
  Result<HttpResponse> answer = co_await http_.send(request_to(host, target), bound, stop);
  if (!answer) co_return unreachable(host, answer.error());
  if (answer->status_code != 200) {
    prefixes_.erase(host);  // it may be another daemon by now
    co_return refusal(*answer, target);
  }
  co_return std::move(answer->body);
}

Task<Result<DockerContainer>> DockerClient::container(std::string host, std::string id, Deadline deadline,
                                                      StopToken stop) {
  Result<std::string> body = co_await get(std::move(host), "/containers/" + path_escaped(id) + "/json", deadline, stop);
  if (!body) co_return std::move(body.error());
  co_return parse_docker_container(*body);
}

Task<Result<DockerImage>> DockerClient::image(std::string host, std::string name, Deadline deadline, StopToken stop) {
  if (name.empty()) co_return Error(ErrorCode::kNotFound, "Error: No such image: ");
  Result<std::string> body = co_await get(std::move(host), "/images/" + path_escaped(name) + "/json", deadline, stop);
  if (!body) co_return std::move(body.error());
  co_return parse_docker_image(*body);
}

}  // namespace steeple::attestation
