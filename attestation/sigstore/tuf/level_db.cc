#include "attestation/sigstore/tuf/level_db.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>

#include <cerrno>
#include <charconv>
#include <filesystem>

#include "attestation/sigstore/tuf/level_db_format.h"
#include "runtime/os/file.h"
#include "runtime/os/file_descriptor.h"

namespace steeple::attestation {
namespace {

using runtime::Bytes;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

constexpr mode_t kFolderMode = 0755;
constexpr mode_t kFileMode = 0644;
constexpr char kCurrent[] = "CURRENT";
constexpr char kManifestPrefix[] = "MANIFEST-";
constexpr char kComparator[] = "leveldb.BytewiseComparator";
constexpr std::size_t kFilesMax = 4096;

// The numbered files of a folder.
struct Numbered {
  std::map<std::uint64_t, std::string> journals;
  std::map<std::uint64_t, std::string> tables;
  std::map<std::uint64_t, std::string> manifests;
  std::uint64_t last = 0;
};

std::optional<std::uint64_t> number_of(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number > (std::uint64_t{1} << 48)) return {};
  return number;
}

void note(const std::string& name, Numbered& out) {
  std::string_view rest = name;
  std::map<std::uint64_t, std::string>* list = nullptr;
  if (rest.starts_with(kManifestPrefix)) {
    rest.remove_prefix(sizeof kManifestPrefix - 1);
    list = &out.manifests;
  } else if (rest.ends_with(".log")) {
    list = &out.journals;
  } else if (rest.ends_with(".ldb") || rest.ends_with(".sst")) {
    list = &out.tables;
  }
  if (!list) return;
  if (list != &out.manifests) rest.remove_suffix(4);
  const auto number = number_of(rest);
  if (!number) return;
  list->emplace(*number, name);
  out.last = std::max(out.last, *number);
}

Result<Numbered> list_files(const std::string& folder) {
  Numbered out;
  std::error_code error;
  std::size_t count = 0;
  for (std::filesystem::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    if (++count > kFilesMax) return Error(ErrorCode::kLimit, folder + " has too many files");
    note(at->path().filename().string(), out);
  }
  if (error) return runtime::path_error("open", folder, error.value());
  return out;
}

// Held for as long as the object lives.
Result<runtime::FileDescriptor> lock(const std::string& folder) {
  const std::string path = folder + "/LOCK";
  const int opened = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, kFileMode);
  if (opened < 0) return runtime::path_error("open", path, errno);
  runtime::FileDescriptor file(opened);
  if (::flock(file.get(), LOCK_EX | LOCK_NB) == 0) return file;
  if (errno != EWOULDBLOCK) return runtime::path_error("flock", path, errno);
  return Error(ErrorCode::kUnavailable, path + " is held by another program");
}

Result<LevelDbManifest> current_manifest(const std::string& folder) {
  STEEPLE_TRY(name, runtime::read_file(folder + "/" + kCurrent, 256));
  if (name.ends_with('\n')) name.pop_back();
  if (!name.starts_with(kManifestPrefix) || !number_of(name.substr(sizeof kManifestPrefix - 1))) {
    return Error(ErrorCode::kMalformed, "leveldb: CURRENT names no manifest");
  }
  STEEPLE_TRY(file, runtime::read_file(folder + "/" + name, kLevelDbFileBytesMax));
  return read_manifest(runtime::as_bytes(file));
}

Result<LevelDbMap> read_locked(const std::string& folder) {
  STEEPLE_TRY(files, list_files(folder));
  if (files.last == 0 && runtime::is_missing(folder + "/" + kCurrent)) return LevelDbMap();
  auto manifest = current_manifest(folder);
  // A file that is missing is a damage like another.
  if (!manifest) return Error(ErrorCode::kMalformed, manifest.error().message());
  LevelDbEntries entries;
  for (const std::uint64_t table : manifest->tables) {
    const auto at = files.tables.find(table);
    if (at == files.tables.end()) return Error(ErrorCode::kMalformed, fmt::format("leveldb: table {} is gone", table));
    STEEPLE_TRY(file, runtime::read_file(folder + "/" + at->second, kLevelDbFileBytesMax));
    STEEPLE_CHECK(read_table(runtime::as_bytes(file), entries));
  }
  for (const auto& [number, name] : files.journals) {
    if (number < manifest->journal && number != manifest->previous_journal) continue;
    STEEPLE_TRY(file, runtime::read_file(folder + "/" + name, kLevelDbFileBytesMax));
    STEEPLE_CHECK(read_journal(runtime::as_bytes(file), entries));
  }
  return entries.live();
}

// What the new manifest does not name; a file that stays is removed by the next program that opens the folder.
void remove_old(const std::string& folder, const Numbered& files) {
  std::error_code ignored;
  for (const auto* list : {&files.journals, &files.tables, &files.manifests}) {
    for (const auto& [number, name] : *list) std::filesystem::remove(folder + "/" + name, ignored);
  }
}

}  // namespace

Result<LevelDbMap> read_level_db(const std::string& folder) {
  if (runtime::is_missing(folder)) return LevelDbMap();
  STEEPLE_TRY(held, lock(folder));
  return read_locked(folder);
}

Result<void> write_level_db(const std::string& folder, const LevelDbMap& entries) {
  STEEPLE_CHECK(runtime::make_directories(folder, kFolderMode));
  STEEPLE_TRY(held, lock(folder));
  STEEPLE_TRY(files, list_files(folder));
  LevelDbManifest manifest;
  manifest.comparator = kComparator;
  manifest.journal = files.last + 1;
  manifest.next_file = files.last + 3;
  const std::string name = fmt::format("{}{:06}", kManifestPrefix, files.last + 2);
  const Bytes journal = write_journal(entries);
  STEEPLE_CHECK(runtime::replace_file(fmt::format("{}/{:06}.log", folder, manifest.journal), journal, kFileMode));
  STEEPLE_CHECK(runtime::replace_file(folder + "/" + name, write_manifest(manifest), kFileMode));
  STEEPLE_CHECK(runtime::replace_file(folder + "/" + kCurrent, runtime::as_bytes(name + "\n"), kFileMode));
  remove_old(folder, files);
  return {};
}

}  // namespace steeple::attestation
