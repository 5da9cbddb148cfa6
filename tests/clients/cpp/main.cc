// A workload in C++, on gRPC and the protocol's own definition, with OpenSSL. See tests/clients/README.md for what each
// command prints.
#include <pthread.h>

#include <algorithm>
#include <boost/json.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "jwt.h"
#include "measure.h"
#include "mutual_tls.h"
#include "workload_api.h"
#include "x509.h"

namespace {

namespace json = boost::json;
using Arguments = std::vector<std::string>;

constexpr const char* kUsage =
    "usage: client fetch | watch [N] | jwt AUDIENCE | validate AUDIENCE TOKEN | verify AUDIENCE TOKEN | serve ID... | "
    "dial ID@ADDRESS... | measure fetch SECONDS | measure jwt SECONDS AUDIENCE | measure watch STREAMS";

void show(const json::object& line) {
  static std::mutex output;
  const std::lock_guard lock(output);
  std::puts(json::serialize(line).c_str());
  std::fflush(stdout);
}

json::object told(const Svid& svid) {
  return {
      {"spiffe_id", svid.spiffe_id}, {"serial", svid.serial}, {"trust_domains", json::value_from(svid.trust_domains)}};
}

void fetch() { show(told(check(WorkloadApi().x509_svid()))); }

void watch(const Arguments& arguments) {
  int left = arguments.empty() ? 0 : std::stoi(arguments[0]);
  WorkloadApi().watch([&](const X509SVIDResponse& response) {
    show(told(check(response)));
    return --left != 0;
  });
}

void jwt(const std::string& audience) {
  const JWTSVID svid = WorkloadApi().jwt_svid(audience);
  show({{"spiffe_id", svid.spiffe_id()}, {"token", svid.svid()}});
}

void validate(const std::string& audience, const std::string& token) {
  show({{"spiffe_id", WorkloadApi().validate(audience, token)}});
}

void verify(const std::string& audience, const std::string& token) {
  const JWTBundlesResponse bundles = WorkloadApi().jwt_bundles();
  const std::string spiffe_id = verify_jwt(audience, token, bundles);
  std::vector<std::string> domains;
  for (const auto& [domain, keys] : bundles.bundles()) domains.push_back(domain_of(domain));
  std::sort(domains.begin(), domains.end());
  show({{"spiffe_id", spiffe_id}, {"trust_domains", json::value_from(domains)}});
}

// What the server presents: the newest SVID.
class Credentials {
 public:
  explicit Credentials(const Svid& first) : context_(tls_context(first)) {}
  void renew(const Svid& svid) {
    const std::lock_guard lock(mutex_);
    context_ = tls_context(svid);
  }
  std::shared_ptr<SSL_CTX> newest() const {
    const std::lock_guard lock(mutex_);
    return context_;
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<SSL_CTX> context_;
};

void answer(const std::shared_ptr<SSL_CTX>& context, int socket, const Arguments& allowed) {
  try {
    TlsConnection connection = TlsConnection::accept(context.get(), socket);
    const std::string peer = connection.peer();
    if (std::find(allowed.begin(), allowed.end(), peer) == allowed.end())
      throw std::runtime_error("unexpected peer " + peer);
    connection.read_line();
    connection.write("hello " + peer + "\n");
    show({{"peer", peer}});
  } catch (const std::exception& error) {
    show({{"refused", error.what()}});
  }
}

void serve(const Arguments& allowed) {
  WorkloadApi api;
  Credentials credentials(check(api.x509_svid()));
  const std::jthread watcher([&] {
    api.watch([&](const X509SVIDResponse& response) {
      credentials.renew(check(response));
      return true;
    });
  });
  const Listener listener;
  show({{"port", listener.port()}});
  for (;;) {
    const int socket = listener.accept();
    std::thread([=, &credentials, &allowed] { answer(credentials.newest(), socket, allowed); }).detach();
  }
}

json::object dial_one(SSL_CTX* context, const std::string& expected, const std::string& address) {
  try {
    TlsConnection connection = TlsConnection::dial(context, address);
    if (connection.peer() != expected) throw std::runtime_error("unexpected peer " + connection.peer());
    connection.write("hello\n");
    return {{"peer", connection.peer()}, {"answer", connection.read_line()}};
  } catch (const std::exception& error) {
    return {{"refused", error.what()}};
  }
}

void dial(const Arguments& targets) {
  const TlsContext context = tls_context(check(WorkloadApi().x509_svid()));
  for (const std::string& target : targets) {
    const std::size_t at = target.find('@');
    if (at == std::string::npos) throw std::runtime_error(kUsage);
    json::object line = dial_one(context.get(), target.substr(0, at), target.substr(at + 1));
    line["target"] = target;
    show(line);
  }
}

void run(const std::string& command, const Arguments& rest) {
  if (command == "fetch" && rest.empty()) return fetch();
  if (command == "watch" && rest.size() <= 1) return watch(rest);
  if (command == "jwt" && rest.size() == 1) return jwt(rest[0]);
  if (command == "validate" && rest.size() == 2) return validate(rest[0], rest[1]);
  if (command == "verify" && rest.size() == 2) return verify(rest[0], rest[1]);
  if (command == "serve") return serve(rest);
  if (command == "dial") return dial(rest);
  if (command == "measure" && rest.size() >= 2) return measure(rest);
  throw std::runtime_error(kUsage);
}

// SIGTERM is how a workload is asked to end.
void end_on_sigterm() {
  std::signal(SIGPIPE, SIG_IGN);
  sigset_t ends;
  sigemptyset(&ends);
  sigaddset(&ends, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &ends, nullptr);
  std::thread([ends] {
    int received = 0;
    sigwait(&ends, &received);
    std::_Exit(0);
  }).detach();
}

}  // namespace

int main(int count, char** words) {
  end_on_sigterm();
  int code = 0;
  try {
    run(count > 1 ? words[1] : "", Arguments(words + std::min(count, 2), words + count));
  } catch (const std::exception& error) {
    show({{"error", error.what()}});
    code = 1;
  }
  std::_Exit(code);  // the thread that waits for SIGTERM goes with it
}
