#include "deploy/devserver/datastore/database.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sqlite3.h>

#include <cerrno>
#include <utility>

#include "runtime/os/file_descriptor.h"

namespace steeple::devserver {
namespace {

using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

// "STPL": tells our files from any other SQLite database, a SPIRE Server's above all.
constexpr std::int64_t kApplicationId = 0x5354504c;
constexpr std::int64_t kSchemaVersion = 2;

// Entries and bundles are kept as the API's own messages; the columns beside them are what lookups and people need.
constexpr const char* kSchema = R"sql(
CREATE TABLE entries (
  id TEXT PRIMARY KEY, spiffe_id TEXT NOT NULL, parent_id TEXT NOT NULL, message BLOB NOT NULL) STRICT;
CREATE TABLE agents (
  spiffe_id TEXT PRIMARY KEY, attestation_type TEXT NOT NULL, serial TEXT NOT NULL, expires_at INTEGER NOT NULL,
  pending_serial TEXT NOT NULL, pending_expires_at INTEGER NOT NULL, can_reattest INTEGER NOT NULL,
  version TEXT NOT NULL) STRICT;
CREATE TABLE agent_selectors (
  spiffe_id TEXT NOT NULL, type TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (spiffe_id, type, value)) STRICT;
CREATE TABLE join_tokens (value TEXT PRIMARY KEY, expires_at INTEGER NOT NULL) STRICT;
CREATE TABLE federated_bundles (trust_domain TEXT PRIMARY KEY, message BLOB NOT NULL) STRICT;
CREATE TABLE authorities (
  position INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, id TEXT NOT NULL UNIQUE, status TEXT NOT NULL,
  tainted INTEGER NOT NULL, not_before INTEGER NOT NULL, not_after INTEGER NOT NULL, material BLOB NOT NULL) STRICT;
CREATE TABLE counters (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
)sql";

// What later schemas added; also run on a file of an earlier one.
constexpr const char* kAddedTables = R"sql(
CREATE TABLE IF NOT EXISTS federation_relationships (trust_domain TEXT PRIMARY KEY, message BLOB NOT NULL) STRICT;
)sql";

Error sqlite_error(sqlite3* connection, std::string_view doing) {
  return Error(ErrorCode::kSystem, fmt::format("{}: {}", doing, sqlite3_errmsg(connection)));
}

// SQLite would create the file with the umask's mode; tokens are in it.
Result<void> create_private_file(const std::string& path) {
  runtime::FileDescriptor file(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600));
  if (!file) return runtime::system_error(fmt::format("unable to open datastore \"{}\"", path), errno);
  return {};
}

}  // namespace

Statement::Statement(Statement&& other) noexcept
    : connection_(other.connection_), statement_(std::exchange(other.statement_, nullptr)) {}

Statement::~Statement() { sqlite3_finalize(statement_); }

// A failed bind (out of memory, value above SQLite's limit) shows in step(): the statement then misses a NOT NULL
// value.
Statement& Statement::bind(int index, std::string_view text) {
  sqlite3_bind_text64(statement_, index, text.empty() ? "" : text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
  return *this;
}

Statement& Statement::bind(int index, std::int64_t number) {
  sqlite3_bind_int64(statement_, index, number);
  return *this;
}

Statement& Statement::bind_blob(int index, runtime::BytesView bytes) {
  sqlite3_bind_blob64(statement_, index, bytes.empty() ? "" : static_cast<const void*>(bytes.data()), bytes.size(),
                      SQLITE_TRANSIENT);
  return *this;
}

Result<bool> Statement::step() {
  int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return sqlite_error(connection_, "datastore-sql");
}

Result<void> Statement::run() {
  STEEPLE_TRY(row, step());
  static_cast<void>(row);
  return {};
}

std::string Statement::text(int column) const {
  const auto* data = reinterpret_cast<const char*>(sqlite3_column_text(statement_, column));
  int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? std::string() : std::string(data, static_cast<std::size_t>(size));
}

std::int64_t Statement::number(int column) const { return sqlite3_column_int64(statement_, column); }

runtime::Bytes Statement::blob(int column) const {
  const auto* data = static_cast<const std::uint8_t*>(sqlite3_column_blob(statement_, column));
  int size = sqlite3_column_bytes(statement_, column);
  return data == nullptr ? runtime::Bytes() : runtime::Bytes(data, data + size);
}

Result<std::unique_ptr<Database>> Database::open(const std::string& path) {
  STEEPLE_CHECK(create_private_file(path));
  sqlite3* connection = nullptr;
  int code = sqlite3_open_v2(path.c_str(), &connection, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, nullptr);
  std::unique_ptr<Database> database(new Database(connection));
  std::string doing = fmt::format("unable to open datastore \"{}\"", path);
  if (code != SQLITE_OK) return sqlite_error(connection, doing);
  if (auto ready = database->set_up(); !ready) return std::move(ready.error()).with_context(doing);
  return database;
}

Database::~Database() { sqlite3_close_v2(connection_); }

Result<void> Database::set_up() {
  STEEPLE_CHECK(execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;"));
  STEEPLE_TRY(application, pragma("application_id"));
  STEEPLE_TRY(version, pragma("user_version"));
  STEEPLE_TRY(tables, prepare("SELECT count(*) FROM sqlite_master"));
  STEEPLE_TRY(row, tables.step());
  bool empty = row && tables.number(0) == 0;
  while (row) {
    STEEPLE_TRY(more, tables.step());
    row = more;
  }
  if (!empty && application != kApplicationId) {
    return Error(ErrorCode::kFailedPrecondition, "the file is not a datastore of steeple-devserver");
  }
  if (version > kSchemaVersion) {
    return Error(ErrorCode::kFailedPrecondition,
                 fmt::format("schema version {} is newer than {}, the latest known", version, kSchemaVersion));
  }
  // The exclusive lock is taken by the first write: write now, so that a second server learns it at its start.
  STEEPLE_TRY(transaction, Transaction::begin(*this));
  if (empty) STEEPLE_CHECK(execute(kSchema));
  STEEPLE_CHECK(execute(kAddedTables));
  STEEPLE_CHECK(execute(fmt::format("PRAGMA application_id={}", kApplicationId).c_str()));
  STEEPLE_CHECK(execute(fmt::format("PRAGMA user_version={}", kSchemaVersion).c_str()));
  return transaction.commit();
}

Result<std::int64_t> Database::pragma(const char* name) {
  STEEPLE_TRY(statement, prepare(fmt::format("PRAGMA {}", name)));
  STEEPLE_TRY(row, statement.step());
  return row ? statement.number(0) : 0;
}

Result<Statement> Database::prepare(std::string_view sql) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(connection_, sql.data(), static_cast<int>(sql.size()), &statement, nullptr);
  if (code != SQLITE_OK) return sqlite_error(connection_, "datastore-sql");
  return Statement(connection_, statement);
}

Result<void> Database::execute(const char* sql) {
  if (sqlite3_exec(connection_, sql, nullptr, nullptr, nullptr) == SQLITE_OK) return {};
  return sqlite_error(connection_, "datastore-sql");
}

int Database::rows_changed() const { return sqlite3_changes(connection_); }

Result<Transaction> Transaction::begin(Database& database) {
  STEEPLE_CHECK(database.execute("BEGIN IMMEDIATE"));
  return Transaction(database);
}

Transaction::Transaction(Transaction&& other) noexcept : database_(std::exchange(other.database_, nullptr)) {}

Transaction::~Transaction() {
  // A failed COMMIT may have rolled back by itself; then this has nothing to do and its error says so.
  if (database_) static_cast<void>(database_->execute("ROLLBACK"));
}

Result<void> Transaction::commit() {
  STEEPLE_CHECK(database_->execute("COMMIT"));
  database_ = nullptr;
  return {};
}

}  // namespace steeple::devserver
