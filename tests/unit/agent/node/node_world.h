// An agent's identity with everything around it: a data_dir of its own, a fake server, a clock that moves with each
// pause, and the log as lines in the form of the recordings.
#pragma once

#include <stdlib.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "agent/keys/disk_key_manager.h"
#include "agent/keys/memory_key_manager.h"
#include "agent/node/node_identity.h"
#include "runtime/task/blocking.h"
#include "tests/fakes/fake_clock.h"
#include "tests/fakes/fake_spire_server.h"

namespace steeple::agent {

class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    char name[] = "/tmp/steeple-node-XXXXXX";
    path = ::mkdtemp(name);
  }
  ~TemporaryDirectory() { std::filesystem::remove_all(path); }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;
  std::string path;
};

class FakeNodeAttestor final : public attestation::NodeAttestor {
 public:
  std::string kind = "x509pop";
  std::string payload = "proof";
  std::optional<runtime::Error> failure;
  std::string_view name() const override { return kind; }
  runtime::Result<attestation::NodeEvidence> evidence() override {
    if (failure) return *failure;
    return attestation::NodeEvidence(kind, runtime::SecretBytes(runtime::as_bytes(payload)));
  }
  runtime::Result<runtime::Bytes> answer(runtime::BytesView challenge) override {
    return runtime::to_bytes(runtime::as_bytes("answer to " + runtime::to_text(challenge)));
  }
};

class FakeBundleSource final : public BundleSource {
 public:
  runtime::Result<ServerTrust> next = ServerTrust();
  bool announces = false;
  int reads = 0;
  runtime::Task<runtime::Result<ServerTrust>> read(const BootstrapState&, runtime::StopToken) override {
    ++reads;
    co_return next;
  }
  bool announces_attempts() const override { return announces; }
  bool insecure() const override { return next && !*next; }
};

// What lasts over restarts of the agent: directory, server, time.
class NodeWorld {
 public:
  NodeWorld() : server(clock) {
    source.next = ServerTrust(server.authorities);
    options.trust_domain = TrustDomain::parse("example.org").value();
    options.random = [] { return 0.5; };
    options.pause = [this](std::chrono::nanoseconds wait, runtime::StopToken token) { return pause(wait, token); };
  }

  TemporaryDirectory directory;
  tests::FakeClock clock;
  FakeSpireServer server;
  FakeNodeAttestor attestor;
  FakeBundleSource source;
  NodeIdentityOptions options;
  bool memory_keys = false;
  std::vector<ServerTrust> trusts;  // what each attestation connection was made with
  std::vector<std::chrono::nanoseconds> pauses;
  std::size_t pauses_max = 50;  // then it is stopped
  std::function<void()> on_pause;
  runtime::StopSource stop;

  std::string path(const std::string& name) const { return directory.path + "/" + name; }

 private:
  runtime::Task<runtime::Result<void>> pause(std::chrono::nanoseconds wait, runtime::StopToken token) {
    pauses.push_back(wait);
    clock.advance_wall(wait);
    clock.advance_steady(wait);
    if (on_pause) on_pause();
    if (pauses.size() >= pauses_max) stop.request_stop(runtime::StopReason::kShutdown);
    if (token.stop_requested()) co_return token.error();
    co_return runtime::Result<void>();
  }
};

// One run of the agent in that world.
class NodeRun {
 public:
  explicit NodeRun(NodeWorld& w)
      : world(w),
        log(runtime::make_string_sink(&log_text), runtime::LogLevel::kDebug, runtime::LogFormat::kDefault),
        storage(Storage::open(w.directory.path, log).value()),
        keys(make_keys(w)),
        client(loop, w.server),
        identity(loop, w.clock, *storage, *keys, w.attestor, w.source, channels(), w.options, log) {}

  NodeWorld& world;
  std::string log_text;
  runtime::Logger log;
  runtime::Loop loop;
  std::unique_ptr<Storage> storage;
  std::unique_ptr<KeyManager> keys;
  FakeServerClient client;
  NodeIdentity identity;

  runtime::Result<void> establish() { return runtime::run_until_done(loop, identity.establish(world.stop.token())); }
  ServerResult<void> rotate() {
    return runtime::run_until_done(loop, identity.rotate_until_stopped(client, world.stop.token()));
  }
  runtime::Result<void> recover(const runtime::grpc::Status& status, SyncPhase phase) {
    ServerError failure = classify(status, nullptr).with_context("failed to fetch authorized entries");
    return runtime::run_until_done(loop, identity.recover(failure, phase, client, world.stop.token()));
  }
  AgentData on_disk() const {
    runtime::Logger quiet;
    return Storage::open(world.directory.path, quiet).value()->data();
  }

  // The log so far, without time stamps and with the recordings' placeholders.
  std::vector<std::string> lines() const {
    std::vector<std::string> found;
    for (std::size_t at = 0; at < log_text.size();) {
      std::size_t end = log_text.find('\n', at);
      found.push_back(normalised(log_text.substr(at, end - at)));
      at = end + 1;
    }
    return found;
  }
  bool logged(const std::string& part) const { return log_text.find(part) != std::string::npos; }

 private:
  static std::unique_ptr<KeyManager> make_keys(NodeWorld& w) {
    if (w.memory_keys) return std::make_unique<MemoryKeyManager>();
    runtime::Logger quiet;
    return DiskKeyManager::open(w.directory.path, quiet).value();
  }
  AttestationChannelFactory channels() {
    return [this](ServerTrust trust) {
      world.trusts.push_back(trust);
      return std::make_unique<FakeAttestChannel>(world.server);
    };
  }
  static void replace(std::string& line, const std::string& before, const std::string& after,
                      const std::string& placeholder) {
    std::size_t at = line.find(before);
    if (at == std::string::npos) return;
    std::size_t begin = at + before.size();
    std::size_t end = std::min(line.find(after, begin), line.size());
    line.replace(begin, end - begin, placeholder);
  }
  std::string normalised(std::string line) const {
    line.erase(0, line.find("level="));
    replace(line, "retry_interval=", " ", "<DUR>");
    replace(line, "Success after ", " ", "<DUR>");
    replace(line, "/spire/agent/x509pop/", "\"", "<HEX40>");
    replace(line, "/spire/agent/join_token/", "\"", "<UUID>");
    replace(line, "trust bundle: open ", ": no such file", "<BUNDLE>");
    return line;
  }
};

}  // namespace steeple::agent
