#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "runtime/core/log.h"

namespace steeple::runtime {
namespace {

// How long one line may wait for a reader that does not read. After that, lines are dropped until the reader reads
// again, so that a stalled log collector costs the agent one such wait and not its life.
constexpr int kStallWaitMs = 250;
constexpr mode_t kLogFileMode = 0640;

class DescriptorSink : public LogSink {
 public:
  explicit DescriptorSink(int fd) : fd_(fd) {}

  void write(std::string_view line) override {
    while (!line.empty()) {
      if (!writable()) {
        ++dropped_;
        return;
      }
      ssize_t done = ::write(fd_, line.data(), line.size());
      if (done < 0 && (errno == EINTR || errno == EAGAIN)) continue;
      if (done < 0) return;  // a closed pipe or a full disk: logging goes on when it can
      line.remove_prefix(static_cast<std::size_t>(done));
    }
  }
  Result<void> reopen() override { return {}; }
  bool is_terminal() const override { return ::isatty(fd_) == 1; }
  std::uint64_t take_dropped() override { return std::exchange(dropped_, 0); }

 protected:
  int fd_;

 private:
  bool writable() {
    pollfd waited{fd_, POLLOUT, 0};
    int ready = ::poll(&waited, 1, stalled_ ? 0 : kStallWaitMs);
    stalled_ = ready == 0;
    return !stalled_;
  }
  bool stalled_ = false;
  std::uint64_t dropped_ = 0;
};

Result<int> open_log_file(const std::string& path) {
  int fd = ::open(path.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, kLogFileMode);
  if (fd < 0) return system_error("open " + path, errno);
  return fd;
}

class FileSink final : public DescriptorSink {
 public:
  FileSink(std::string path, int fd) : DescriptorSink(fd), path_(std::move(path)) {}
  ~FileSink() override { ::close(fd_); }

  // The old file stays in use when the new one cannot be opened.
  Result<void> reopen() override {
    STEEPLE_TRY(fd, open_log_file(path_));
    ::close(std::exchange(fd_, fd));
    return {};
  }

 private:
  std::string path_;
};

class StringSink final : public LogSink {
 public:
  explicit StringSink(std::string* out) : out_(out) {}
  void write(std::string_view line) override { out_->append(line); }
  Result<void> reopen() override { return {}; }
  bool is_terminal() const override { return false; }

 private:
  std::string* out_;
};

}  // namespace

std::unique_ptr<LogSink> make_stdout_sink() { return std::make_unique<DescriptorSink>(STDOUT_FILENO); }

Result<std::unique_ptr<LogSink>> open_file_sink(const std::string& path) {
  STEEPLE_TRY(fd, open_log_file(path));
  return std::unique_ptr<LogSink>(std::make_unique<FileSink>(path, fd));
}

std::unique_ptr<LogSink> make_string_sink(std::string* out) { return std::make_unique<StringSink>(out); }

}  // namespace steeple::runtime
