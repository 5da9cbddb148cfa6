// JWT-SVIDs by SPIFFE ID and audience set (server-sync 4.8), and when each is to be renewed (5.2): at about half of its
// life, if it was asked for since it was issued, so that a regular caller never waits and nobody else costs the server
// anything. Bound hard: the least recently used goes. Sans I/O; I/O thread only.
#pragma once

#include <list>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "agent/entry/registration_entry.h"
#include "agent/spiffe/jwt_svid.h"

namespace steeple::agent {

inline constexpr std::size_t kJwtSvidCacheMaxDefault = 1000;
inline constexpr std::size_t kCachedJwtSizeMax = 64 * 1024;  // a longer token is handed out, not kept

// The SPIFFE ID and the sorted audience (duplicates count), or a digest of them when they are long.
std::string jwt_cache_key(std::string_view spiffe_id, const std::vector<std::string>& audience);

// What the server is asked for.
struct JwtRequest {
  SharedEntry entry;
  std::vector<std::string> audience;  // as the first caller gave it
};

class JwtCache {
 public:
  explicit JwtCache(std::size_t svids_max) : svids_max_(svids_max == 0 ? kJwtSvidCacheMaxDefault : svids_max) {}

  // Null: none. It may have expired. A valid one becomes the most recently used, and is renewed in time from now on.
  SharedJwtSvid find(const std::string& key, runtime::WallTime now);
  // `asked`: somebody waits for it. A token of a tainted authority is not kept.
  void put(const std::string& key, SharedJwtSvid svid, JwtRequest request, runtime::WallTime renew_at, bool asked);
  // The earliest time at which one is to be renewed.
  std::optional<runtime::WallTime> next_renewal() const;
  struct Due {
    std::string key;
    JwtRequest request;
  };
  // Those whose time has come, at most `max`; each is out until put(), or retry() is called for it.
  std::vector<Due> take_due(runtime::WallTime now, std::size_t max);
  void retry(const std::string& key, runtime::WallTime at);  // nothing if it has expired by then, or is gone

  // Drops the tokens of these authorities, now and when one should come later; gives how many of each.
  std::map<std::string, std::size_t> taint(const std::vector<std::string>& key_ids);
  std::size_t size() const { return records_.size(); }

 private:
  struct Record;
  using Renewals = std::multimap<runtime::WallTime, Record*>;
  struct Record {
    std::string key;
    SharedJwtSvid svid;
    JwtRequest request;
    runtime::WallTime renew_at;
    std::optional<Renewals::iterator> renewal;
    bool out = false;  // being renewed
  };
  using Records = std::list<Record>;
  void schedule(Record& record, runtime::WallTime at);
  void unschedule(Record& record);
  void erase(Records::iterator record);

  std::size_t svids_max_;
  Records records_;  // the one used last at the front
  std::unordered_map<std::string, Records::iterator> by_key_;
  Renewals renewals_;
  std::set<std::string> tainted_;
};

}  // namespace steeple::agent
