#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <optional>

#include "os_test.h"
#include "runtime/os/peer.h"
#include "runtime/os/process_handle.h"
#include "runtime/os/procfs.h"
#include "runtime/os/unix_socket.h"

namespace steeple::runtime {

namespace {

// A child process that connects, does what it is told, and lives until it is killed.
class Caller {
 public:
  explicit Caller(const std::string& socket_path, std::function<void()> then = {}) {
    int ready[2];
    REQUIRE(::pipe2(ready, O_CLOEXEC) == 0);
    FileDescriptor reader(ready[0]), writer(ready[1]);
    pid_ = ::fork();
    if (pid_ == 0) {
      Result<FileDescriptor> socket = connect_unix(socket_path);
      if (then) then();
      (void)!::write(writer.get(), socket ? "y" : "n", 1);
      for (;;) ::pause();
    }
    char answer = 0;
    REQUIRE(::read(reader.get(), &answer, 1) == 1);
    REQUIRE(answer == 'y');
  }
  ~Caller() { end(); }
  void end() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
};

// A listener, and what it knows of the callers it accepts.
class Agent {
 public:
  Agent() {
    Result<UnixListener> listener = UnixListener::bind(directory_.file("s"), 0777);
    REQUIRE(listener);
    listener_.emplace(std::move(*listener));
  }
  std::string path() const { return listener_->path(); }
  Result<Peer> accept() {
    socket_ = FileDescriptor(::accept4(listener_->fd(), nullptr, nullptr, SOCK_CLOEXEC));
    return Peer::of_socket(socket_.get());
  }

 private:
  TemporaryDirectory directory_;
  std::optional<UnixListener> listener_;
  FileDescriptor socket_;
};

// The same peer as a kernel without SO_PEERPIDFD would leave it: pinned by its start time.
Peer without_pidfd(const Peer& peer) {
  Result<ProcessHandle> handle = ProcessHandle::open(peer);
  REQUIRE(handle);
  std::uint64_t start_time = parse_proc_stat_start_time(handle->read("stat", kProcStatBytesMax).value()).value();
  return Peer(peer.credentials(), FileDescriptor(), start_time);
}

}  // namespace

TEST_CASE("Peer is the process that connected") {
  Agent agent;
  Caller caller(agent.path());
  Result<Peer> peer = agent.accept();
  REQUIRE(peer);
  CHECK(peer->credentials().pid == caller.pid());
  CHECK(peer->credentials().uid == ::getuid());
  CHECK(peer->credentials().gid == ::getgid());
  CHECK((peer->pidfd() >= 0 || peer->start_time() > 0));
}

TEST_CASE("Peer of something else than a Unix socket is refused") {
  FileDescriptor file(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  Result<Peer> peer = Peer::of_socket(file.get());
  REQUIRE_FALSE(peer);
  CHECK(peer.error().message() == "could not resolve caller information: Socket operation on non-socket");
  FileDescriptor internet(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  Result<Peer> nobody = Peer::of_socket(internet.get());
  REQUIRE_FALSE(nobody);
  CHECK(nobody.error() == Error(ErrorCode::kDenied, "could not resolve caller information"));
}

TEST_CASE("ProcessHandle reads the facts of a living caller") {
  Agent agent;
  Caller caller(agent.path());
  Result<Peer> peer = agent.accept();
  REQUIRE(peer);
  Result<ProcessHandle> handle = ProcessHandle::open(*peer);
  REQUIRE(handle);
  CHECK(handle->pid() == caller.pid());
  Result<ProcStatus> status = parse_proc_status(handle->read("status", kProcStatusBytesMax).value());
  REQUIRE(status);
  CHECK(status->uid.effective == ::geteuid());
  CHECK(handle->read_link("exe").value() == std::filesystem::read_symlink("/proc/self/exe").string());
  CHECK(handle->open_file("exe"));
  CHECK(handle->verify_alive());
  CHECK(handle->read("stat", 3).error().code() == ErrorCode::kLimit);
  CHECK(handle->read("no-such-file", 10).error().message() ==
        "open /proc/" + std::to_string(caller.pid()) + "/no-such-file: no such file or directory");
}

TEST_CASE("ProcessHandle refuses a caller that has ended, with and without a pidfd") {
  Agent agent;
  Caller caller(agent.path());
  Result<Peer> accepted = agent.accept();
  REQUIRE(accepted);
  const bool pidfd = GENERATE(true, false);
  Peer peer = pidfd ? std::move(*accepted) : without_pidfd(*accepted);
  if (pidfd && peer.pidfd() < 0) return;  // the kernel has none: the other case is the whole test
  Result<ProcessHandle> handle = ProcessHandle::open(peer);
  REQUIRE(handle);
  CHECK(handle->verify_alive());
  const std::string proc = "/proc/" + std::to_string(caller.pid());
  caller.end();
  Result<void> alive = handle->verify_alive();
  REQUIRE_FALSE(alive);
  CHECK(alive.error().code() == ErrorCode::kNotFound);
  if (pidfd) {
    CHECK(alive.error().message() == "caller exit suspected due to failed readdirent");
  } else {
    CHECK(alive.error().message().starts_with(
        "caller exit suspected due to failure to get starttime: could not read caller stat: open " + proc +
        "/stat: no such"));
  }
  CHECK(handle->read("status", kProcStatusBytesMax).error().code() == ErrorCode::kNotFound);
  Result<ProcessHandle> again = ProcessHandle::open(peer);
  REQUIRE_FALSE(again);
  CHECK(again.error() == Error(ErrorCode::kNotFound,
                               "could not open caller's proc directory: open " + proc + ": no such file or directory"));
}

TEST_CASE("ProcessHandle refuses a zombie") {
  Agent agent;
  Caller caller(agent.path());
  Result<Peer> peer = agent.accept();
  REQUIRE(peer);
  if (peer->pidfd() < 0) return;
  ::kill(caller.pid(), SIGKILL);
  siginfo_t ended{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(caller.pid()), &ended, WEXITED | WNOWAIT) ==
          0);  // its /proc entry is still there
  Result<ProcessHandle> handle = ProcessHandle::open(*peer);
  REQUIRE_FALSE(handle);
  CHECK(handle.error().code() == ErrorCode::kNotFound);
}

TEST_CASE("ProcessHandle refuses another process under the same number") {
  Agent agent;
  Caller caller(agent.path());
  Result<Peer> peer = agent.accept();
  REQUIRE(peer);
  Peer true_one = without_pidfd(*peer);
  Peer earlier(peer->credentials(), FileDescriptor(), true_one.start_time() - 1);
  Result<ProcessHandle> handle = ProcessHandle::open(earlier);
  REQUIRE_FALSE(handle);
  CHECK(handle.error() ==
        Error(ErrorCode::kDenied, "new process detected: process starttime " + std::to_string(true_one.start_time()) +
                                      " does not match original caller " + std::to_string(true_one.start_time() - 1)));
}

TEST_CASE("ProcessHandle refuses a caller whose uid or gid is not what it connected with") {
  Agent agent;
  Caller caller(agent.path());
  Result<Peer> peer = agent.accept();
  REQUIRE(peer);
  const std::string uid = std::to_string(::getuid()), gid = std::to_string(::getgid());
  std::uint64_t start_time = without_pidfd(*peer).start_time();
  Peer other_uid(PeerCredentials{caller.pid(), ::getuid() + 1, ::getgid()}, FileDescriptor(), start_time);
  Result<ProcessHandle> handle = ProcessHandle::open(other_uid);
  REQUIRE(handle);
  CHECK(handle->verify_alive().error() ==
        Error(ErrorCode::kDenied, "new process detected: process uid " + uid + " does not match original caller " +
                                      std::to_string(::getuid() + 1)));
  Peer other_gid(PeerCredentials{caller.pid(), ::getuid(), ::getgid() + 1}, FileDescriptor(), start_time);
  handle = ProcessHandle::open(other_gid);
  REQUIRE(handle);
  CHECK(handle->verify_alive().error() ==
        Error(ErrorCode::kDenied, "new process detected: process gid " + gid + " does not match original caller " +
                                      std::to_string(::getgid() + 1)));
}

TEST_CASE("ProcessHandle sees a caller change its uid after connecting, but not its dumpable flag") {
  if (::getuid() != 0) {
    WARN("not tested here: changing the uid takes root");
    return;
  }
  Agent agent;
  Caller changed(agent.path(), [] { (void)!::setresuid(3001, 3001, 3001); });
  Result<Peer> peer = agent.accept();
  REQUIRE(peer);
  Result<ProcessHandle> handle = ProcessHandle::open(*peer);
  REQUIRE(handle);
  CHECK(handle->verify_alive().error().message() ==
        "new process detected: process uid 3001 does not match original caller 0");
  Caller private_one(agent.path(), [] { ::prctl(PR_SET_DUMPABLE, 0); });
  Result<Peer> second = agent.accept();
  REQUIRE(second);
  handle = ProcessHandle::open(*second);
  REQUIRE(handle);
  CHECK(handle->verify_alive());
}

TEST_CASE("ProcessHandle keeps the files of who calls again, reads them anew, and still sees its end") {
  Agent agent;
  Caller caller(agent.path());
  Result<Peer> peer = agent.accept();
  REQUIRE(peer);
  if (peer->pidfd() < 0) return;
  ProcessKeeper keeper;
  REQUIRE(ProcessHandle::open(*peer, &keeper));
  CHECK(keeper.size() == 0);  // most call once
  REQUIRE(ProcessHandle::open(*peer, &keeper));
  CHECK(keeper.size() == 1);
  Result<ProcessHandle> handle = ProcessHandle::open(*peer, &keeper);
  REQUIRE(handle);
  CHECK(handle->read_status().value().find("Pid:\t" + std::to_string(caller.pid()) + "\n") != std::string::npos);
  CHECK(handle->open_file("exe"));
  CHECK(handle->verify_alive());
  caller.end();
  CHECK(handle->read_status().error().code() == ErrorCode::kNotFound);
  CHECK(handle->verify_alive().error().message() == "caller exit suspected due to failed readdirent");
  handle = ProcessHandle::open(*peer, &keeper);
  REQUIRE(handle);
  CHECK_FALSE(handle->verify_alive());
  *peer = Peer();
  CHECK(keeper.size() == 0);  // gone with its connection
}

TEST_CASE("ProcessHandle reads what has changed since it was kept") {
  Agent agent;
  Result<FileDescriptor> own = connect_unix(agent.path());
  Result<Peer> peer = agent.accept();
  REQUIRE(peer);
  ProcessKeeper keeper;
  char before[16];
  REQUIRE(::prctl(PR_GET_NAME, before) == 0);
  for (const char* name : {"steeple-one", "steeple-two", "steeple-three"}) {
    REQUIRE(::prctl(PR_SET_NAME, name) == 0);
    Result<ProcessHandle> handle = ProcessHandle::open(*peer, &keeper);
    REQUIRE(handle);
    CHECK(handle->read_status().value().starts_with(std::string("Name:\t") + name + "\n"));
    // But for the counters at the end, which go on between the two.
    const auto identity_of = [](const std::string& status) { return status.substr(0, status.find("\nNSsid:")); };
    CHECK(identity_of(handle->read_status().value()) ==
          identity_of(handle->read("status", kProcStatusBytesMax).value()));
  }
  REQUIRE(::prctl(PR_SET_NAME, before) == 0);
}

TEST_CASE("ProcessKeeper keeps few: those that called last") {
  Agent agent;
  std::vector<FileDescriptor> sockets;
  std::vector<std::unique_ptr<Peer>> peers;
  ProcessKeeper keeper;
  for (std::size_t i = 0; i < ProcessKeeper::kKeptMax + 3; ++i) {
    Result<FileDescriptor> socket = connect_unix(agent.path());
    REQUIRE(socket);
    sockets.push_back(std::move(*socket));
    Result<Peer> peer = agent.accept();
    REQUIRE(peer);
    if (peer->pidfd() < 0) return;
    peers.push_back(std::make_unique<Peer>(std::move(*peer)));
    for (int call = 0; call < 2; ++call) REQUIRE(ProcessHandle::open(*peers.back(), &keeper));
    if (i > 0) REQUIRE(ProcessHandle::open(*peers[0], &keeper));  // the first one calls all the time
  }
  CHECK(keeper.size() == ProcessKeeper::kKeptMax);
  CHECK(keeper.find(peers[0]->calls()) != nullptr);
  CHECK(keeper.find(peers[1]->calls()) == nullptr);
  CHECK(ProcessHandle::open(*peers[1], &keeper)->verify_alive());
  CHECK(keeper.find(peers[1]->calls()) != nullptr);
}

}  // namespace steeple::runtime
