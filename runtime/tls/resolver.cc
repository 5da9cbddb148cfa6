#include "runtime/tls/resolver.h"

#include <netdb.h>

#include <atomic>
#include <boost/asio/ip/address.hpp>
#include <memory>
#include <mutex>

#include "runtime/task/signal.h"

namespace steeple::runtime {
namespace {

using Endpoint = boost::asio::ip::tcp::endpoint;

// Shared by the waiting coroutine and glibc's notification thread; whichever is later frees it.
struct Lookup {
  std::string host;
  addrinfo hints{};
  gaicb request{};
  std::mutex mutex;
  Loop* loop = nullptr;        // guarded by mutex; null when nobody waits any more
  Signal* finished = nullptr;  // I/O thread only; null when nobody waits any more
  bool done = false;           // I/O thread only
  ~Lookup() {
    if (request.ar_result != nullptr) freeaddrinfo(request.ar_result);
  }
};

void tell_waiter(const std::shared_ptr<Lookup>& lookup) {
  lookup->done = true;
  if (lookup->finished != nullptr) lookup->finished->notify();
}

// On glibc's thread.
void on_finished(sigval argument) {
  std::unique_ptr<std::shared_ptr<Lookup>> owner(static_cast<std::shared_ptr<Lookup>*>(argument.sival_ptr));
  std::shared_ptr<Lookup> lookup = *owner;
  std::lock_guard lock(lookup->mutex);
  if (lookup->loop != nullptr) lookup->loop->post([lookup] { tell_waiter(lookup); });
}

int start(const std::shared_ptr<Lookup>& lookup) {
  lookup->hints.ai_socktype = SOCK_STREAM;
  lookup->hints.ai_flags = AI_ADDRCONFIG;
  lookup->request.ar_name = lookup->host.c_str();
  lookup->request.ar_request = &lookup->hints;
  auto owner = std::make_unique<std::shared_ptr<Lookup>>(lookup);
  sigevent event{};
  event.sigev_notify = SIGEV_THREAD;
  event.sigev_notify_function = on_finished;
  event.sigev_value.sival_ptr = owner.get();
  gaicb* requests[] = {&lookup->request};
  int failure = getaddrinfo_a(GAI_NOWAIT, requests, 1, &event);
  if (failure == 0) owner.release();  // the notification frees it
  return failure;
}

void abandon(Lookup& lookup) {
  lookup.finished = nullptr;
  std::lock_guard lock(lookup.mutex);
  lookup.loop = nullptr;
}

Error lookup_error(const std::string& host, int failure) {
  std::string reason = failure == EAI_NONAME || failure == EAI_NODATA ? "no such host" : gai_strerror(failure);
  return Error(ErrorCode::kUnavailable, "lookup " + host + ": " + reason);
}

std::vector<Endpoint> endpoints_of(const addrinfo* list, std::uint16_t port) {
  std::vector<Endpoint> out;
  for (; list != nullptr && out.size() < kAddressesMax; list = list->ai_next) {
    Endpoint endpoint;
    if ((list->ai_family != AF_INET && list->ai_family != AF_INET6) || list->ai_addrlen > endpoint.capacity()) continue;
    std::copy_n(reinterpret_cast<const char*>(list->ai_addr), list->ai_addrlen,
                reinterpret_cast<char*>(endpoint.data()));
    endpoint.resize(list->ai_addrlen);
    endpoint.port(port);
    out.push_back(endpoint);
  }
  return out;
}

}  // namespace

Task<Result<std::vector<Endpoint>>> resolve_host(Loop& loop, std::string host, std::uint16_t port, Deadline deadline,
                                                 StopToken stop) {
  boost::system::error_code not_an_address;
  boost::asio::ip::address address = boost::asio::ip::make_address(host, not_an_address);
  if (!not_an_address) co_return std::vector<Endpoint>{Endpoint(address, port)};
  auto lookup = std::make_shared<Lookup>();
  lookup->host = host;
  lookup->loop = &loop;
  Signal finished(loop);
  lookup->finished = &finished;
  if (int failure = start(lookup); failure != 0) co_return lookup_error(host, failure);
  Deadline bound = deadline.sooner(Deadline::after(loop.now(), kLookupTimeout));
  Result<void> waited;
  while (!lookup->done && waited) waited = co_await finished.wait(bound, stop);
  bool done = lookup->done;
  abandon(*lookup);
  if (!done) {
    if (stop.stop_requested()) co_return stop.error();
    co_return Error(ErrorCode::kDeadline, "lookup " + host + ": i/o timeout");
  }
  if (int failure = gai_error(&lookup->request); failure != 0) co_return lookup_error(host, failure);
  std::vector<Endpoint> endpoints = endpoints_of(lookup->request.ar_result, port);
  if (endpoints.empty()) co_return lookup_error(host, EAI_NODATA);
  co_return std::move(endpoints);
}

}  // namespace steeple::runtime
