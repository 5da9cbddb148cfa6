// SQLite as the development server uses it: one connection, write-ahead log, synchronous=FULL, exclusive locking (a
// second server on the same file is refused at start). What a committed transaction holds survives SIGKILL and power
// loss. Owned by the server; I/O thread only. Errors carry SQLite's own text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "runtime/core/bytes.h"
#include "runtime/core/result.h"

struct sqlite3;
struct sqlite3_stmt;

namespace steeple::devserver {

class Database;

// One prepared statement; parameters and columns count from 1 and 0 as in SQLite. Valid while its Database lives.
class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  Statement& bind(int index, std::string_view text);
  Statement& bind(int index, std::int64_t number);
  Statement& bind_blob(int index, runtime::BytesView bytes);

  runtime::Result<bool> step();  // true: a row is there; false: done
  runtime::Result<void> run();   // for statements without rows

  std::string text(int column) const;
  std::int64_t number(int column) const;
  runtime::Bytes blob(int column) const;

 private:
  friend class Database;
  Statement(sqlite3* connection, sqlite3_stmt* statement) : connection_(connection), statement_(statement) {}
  sqlite3* connection_;
  sqlite3_stmt* statement_;
};

class Database {
 public:
  // Creates the file (mode 0600) and its tables where they are missing. Refuses a file that another program made, and
  // one of a later schema.
  static runtime::Result<std::unique_ptr<Database>> open(const std::string& path);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  runtime::Result<Statement> prepare(std::string_view sql);
  runtime::Result<void> execute(const char* sql);
  int rows_changed() const;  // by the last INSERT, UPDATE or DELETE

 private:
  explicit Database(sqlite3* connection) : connection_(connection) {}
  runtime::Result<void> set_up();
  runtime::Result<std::int64_t> pragma(const char* name);
  sqlite3* connection_;
};

// Everything between construction and commit() is written, or nothing. Not nested.
class Transaction {
 public:
  static runtime::Result<Transaction> begin(Database& database);
  Transaction(Transaction&& other) noexcept;
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();  // rolls back unless committed

  runtime::Result<void> commit();

 private:
  explicit Transaction(Database& database) : database_(&database) {}
  Database* database_;
};

}  // namespace steeple::devserver
