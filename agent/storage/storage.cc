#include "agent/storage/storage.h"

#include <sys/stat.h>

#include <optional>

#include "runtime/os/file.h"

namespace steeple::agent {

using runtime::Certificates;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

namespace {

constexpr mode_t kDirectoryMode = 0755;
constexpr mode_t kFileMode = 0600;
constexpr std::size_t kLegacySizeMax = 4 * 1024 * 1024;

struct ChangeTime {
  std::int64_t seconds = 0;
  std::int64_t nanoseconds = 0;
  auto operator<=>(const ChangeTime&) const = default;
};

std::optional<ChangeTime> change_time(const std::string& path) {
  struct stat status;
  if (stat(path.c_str(), &status) != 0) return std::nullopt;
  return ChangeTime{status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

Result<AgentData> load(const std::string& path, const runtime::Logger& log) {
  if (runtime::is_missing(path)) return AgentData();
  STEEPLE_TRY(json, with_context(runtime::read_file(path, kAgentDataSizeMax), "failed to read data"));
  Result<AgentData> data = parse_agent_data(json);
  if (data) return data;
  Result<std::string> aside = runtime::keep_aside(path);
  if (aside) {
    log.error("Stored agent data cannot be read; file kept aside, starting without it",
              {{"error", data.error()}, {"path", path}, {"kept_as", *aside}});
  } else {
    log.error("Stored agent data cannot be read, and the file cannot be kept aside; starting without it",
              {{"error", data.error()}, {"path", path}, {"rename_error", aside.error()}});
  }
  return AgentData();
}

Result<Certificates> read_legacy(const std::string& path) {
  STEEPLE_TRY(content, runtime::read_file(path, kLegacySizeMax));
  return runtime::parse_certificate_chain(runtime::as_bytes(content));
}

// Agents up to 1.8.6 wrote these beside agent-data.json, and prefer whichever is newer (server-sync 6.2).
void take_over_legacy(const std::string& path, std::optional<ChangeTime> than, Certificates& into,
                      const runtime::Logger& log) {
  std::optional<ChangeTime> changed = change_time(path);
  if (!changed || (than && *changed <= *than)) return;
  Result<Certificates> certificates = read_legacy(path);
  if (!certificates) {
    log.warning("File of an older agent cannot be read; passed over",
                {{"error", certificates.error()}, {"path", path}});
    return;
  }
  into = std::move(*certificates);
  log.info("Took over the file of an older agent", {{"path", path}});
}

}  // namespace

Result<std::unique_ptr<Storage>> Storage::open(const std::string& data_dir, const runtime::Logger& log) {
  STEEPLE_CHECK(runtime::make_directories(data_dir, kDirectoryMode));
  std::string path = data_dir + "/agent-data.json";
  std::optional<ChangeTime> written = change_time(path);
  STEEPLE_TRY(data, with_context(load(path, log), "failed to open storage"));
  take_over_legacy(data_dir + "/agent_svid.der", written, data.svid, log);
  take_over_legacy(data_dir + "/bundle.der", written, data.bundle, log);
  return std::unique_ptr<Storage>(new Storage(std::move(path), std::move(data)));
}

Result<void> Storage::store(AgentData data) {
  std::string json = format_agent_data(data);
  STEEPLE_CHECK(
      with_context(runtime::replace_file(path_, runtime::as_bytes(json), kFileMode), "failed to write data file"));
  data_ = std::move(data);
  return {};
}

Result<void> Storage::store_svid(Certificates svid, bool reattestable) {
  AgentData data = data_;
  data.svid = std::move(svid);
  data.reattestable = reattestable;
  return store(std::move(data));
}

Result<void> Storage::delete_svid() { return store_svid({}, false); }

Result<void> Storage::store_bundle(Certificates bundle) {
  AgentData data = data_;
  data.bundle = std::move(bundle);
  return store(std::move(data));
}

Result<void> Storage::store_bootstrap_state(const BootstrapState& state) {
  AgentData data = data_;
  data.bootstrap = state;
  return store(std::move(data));
}

}  // namespace steeple::agent
