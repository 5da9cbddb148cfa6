// Rekor: the query, the Merkle proof, the answer, and the client against a small server.
#include "attestation/sigstore/rekor_client.h"

#include <catch2/catch.hpp>

#include "attestation/sigstore/rekor_query.h"
#include "runtime/task/blocking.h"
#include "runtime/tls/encoding.h"
#include "tests/fakes/plain_server.h"
#include "tests/fakes/test_pki.h"

using namespace steeple::attestation;
using namespace steeple::runtime;
using namespace steeple::testing;
using std::chrono_literals::operator""s;

namespace {

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// The tree head and audit paths of RFC 6962, 2.1, by their recursive definition.
struct FakeLog {
  std::vector<std::string> leaves;

  static Bytes node(const Bytes& left, const Bytes& right) {
    Bytes text{1};
    text.insert(text.end(), left.begin(), left.end());
    text.insert(text.end(), right.begin(), right.end());
    const auto digest = sha256(text);
    return {digest.begin(), digest.end()};
  }
  static std::size_t split(std::size_t size) {
    std::size_t k = 1;
    while (k * 2 < size) k *= 2;
    return k;
  }
  Bytes head(std::size_t from, std::size_t size) const {
    if (size == 1) return merkle_leaf_hash(as_bytes(leaves[from]));
    const std::size_t k = split(size);
    return node(head(from, k), head(from + k, size - k));
  }
  std::vector<Bytes> path(std::size_t leaf, std::size_t from, std::size_t size) const {
    if (size == 1) return {};
    const std::size_t k = split(size);
    const bool left = leaf < k;
    std::vector<Bytes> out = left ? path(leaf, from, k) : path(leaf - k, from + k, size - k);
    out.push_back(left ? head(from + k, size - k) : head(from, k));
    return out;
  }
  InclusionProof proof(std::size_t leaf) const {
    return {leaf, leaves.size(), head(0, leaves.size()), path(leaf, 0, leaves.size())};
  }
};

FakeLog log_of(std::size_t size) {
  FakeLog log;
  for (std::size_t i = 0; i < size; ++i) log.leaves.push_back("entry " + std::to_string(i));
  return log;
}

const std::string kLogId(64, 'a');
std::vector<LogKey> known_logs() {
  LogKey key;
  key.id = kLogId;
  return {key};
}
Result<void> anything(const RekorEntry&) { return {}; }

struct EntryText {
  std::size_t leaf = 0;
  std::int64_t time = 1000;
  std::string log_id = kLogId;
  std::string uuid = "";   // empty: the right one
  std::string proof = "";  // empty: the right one
};

std::string entry_text(const FakeLog& log, const EntryText& wanted) {
  const InclusionProof proof = log.proof(wanted.leaf);
  std::string hashes;
  for (const Bytes& hash : proof.hashes) hashes += (hashes.empty() ? "\"" : ",\"") + to_hex(hash) + "\"";
  const std::string proof_text =
      fmt::format(R"({{"checkpoint":"","hashes":[{}],"logIndex":{},"rootHash":"{}","treeSize":{}}})", hashes,
                  wanted.leaf, to_hex(proof.root_hash), proof.tree_size);
  const std::string uuid = "0123456789abcdef" + to_hex(merkle_leaf_hash(as_bytes(log.leaves[wanted.leaf])));
  return fmt::format(R"({{"{}":{{"body":"{}","integratedTime":{},"logID":"{}","logIndex":{},"verification":)"
                     R"({{"inclusionProof":{},"signedEntryTimestamp":"c2V0"}}}}}})",
                     wanted.uuid.empty() ? uuid : wanted.uuid, base64_encode(as_bytes(log.leaves[wanted.leaf])),
                     wanted.time, wanted.log_id, 500 + wanted.leaf, wanted.proof.empty() ? proof_text : wanted.proof);
}

Result<RekorEntry> chosen(const std::string& json, const RekorEntryCheck& check = anything) {
  auto entries = parse_rekor_answer(json);
  if (!entries) return entries.error();
  return earliest_entry(*entries, known_logs(), check);
}
std::string refusal(const std::string& json) {
  const auto entry = chosen(json);
  REQUIRE_FALSE(entry);
  return entry.error().message();
}

SignedLayer layer_of(const Certificate& certificate, const std::string& signature, const std::string& payload) {
  SignedLayer layer;
  layer.annotations = {{kSignatureAnnotation, signature}, {kCertificateAnnotation, to_pem(certificate)}};
  layer.payload = payload;
  return layer;
}

}  // namespace

TEST_CASE("inclusion proof: every leaf of trees of every small size, and nothing else") {
  for (std::size_t size = 1; size <= 20; ++size) {
    const FakeLog log = log_of(size);
    for (std::size_t leaf = 0; leaf < size; ++leaf) {
      const InclusionProof proof = log.proof(leaf);
      CHECK(verify_inclusion(as_bytes(log.leaves[leaf]), proof));
      CHECK_FALSE(verify_inclusion(as_bytes("another"), proof));
      InclusionProof wrong = proof;
      wrong.root_hash[0] ^= 1;
      CHECK_FALSE(verify_inclusion(as_bytes(log.leaves[leaf]), wrong));
      wrong = proof;
      wrong.hashes.emplace_back(32);
      CHECK_FALSE(verify_inclusion(as_bytes(log.leaves[leaf]), wrong));
      if (size == 1) continue;
      wrong = proof;
      wrong.leaf_index = (leaf + 1) % size;
      CHECK_FALSE(verify_inclusion(as_bytes(log.leaves[leaf]), wrong));
      wrong = proof;
      wrong.hashes[0][3] ^= 1;
      CHECK_FALSE(verify_inclusion(as_bytes(log.leaves[leaf]), wrong));
      wrong.hashes.pop_back();
      CHECK_FALSE(verify_inclusion(as_bytes(log.leaves[leaf]), wrong));
    }
  }
  CHECK(verify_inclusion(as_bytes("x"), {3, 3, {}, {}}).error().message() ==
        "verifying inclusion proof: index is beyond size: 3 >= 3");
  CHECK_FALSE(verify_inclusion(as_bytes("x"), {0, ~std::uint64_t{0}, {}, {}}));
  CHECK_FALSE(verify_inclusion(as_bytes("x"), {std::uint64_t{1} << 63, ~std::uint64_t{0}, {}, {}}));
}

TEST_CASE("Rekor's answer: the earliest entry that holds") {
  const FakeLog log = log_of(5);
  const std::string list = "[" + entry_text(log, {.leaf = 1, .time = 3000}) + "," +
                           entry_text(log, {.leaf = 3, .time = 2000}) + "," +
                           entry_text(log, {.leaf = 4, .time = 1000}) + "]";
  const auto entry = chosen(list);
  REQUIRE(entry);
  CHECK(entry->body == base64_encode(as_bytes("entry 4")));
  CHECK(entry->integrated_time == 1000);
  CHECK(entry->log_index == 504);
  CHECK(entry->log_id == kLogId);
  CHECK(entry->signed_entry_timestamp == "c2V0");
  const auto not_the_first = [](const RekorEntry& one) -> Result<void> {
    if (one.integrated_time == 1000) return Error(ErrorCode::kUnauthenticated, "bad timestamp");
    return {};
  };
  CHECK(chosen(list, not_the_first)->integrated_time == 2000);
}

TEST_CASE("Rekor's answer: a wrong proof, a wrong root, a foreign log, a name that is not the leaf's") {
  const FakeLog log = log_of(3);
  CHECK(refusal("[]") == "signature not found in transparency log");
  CHECK(refusal("[{}]") == "signature not found in transparency log");
  CHECK(refusal("[" + entry_text(log, {.uuid = std::string(64, 'b')}) + "]") ==
        "no valid tlog entries found with proposed entry");
  CHECK(contains(refusal("[" + entry_text(log, {.log_id = std::string(64, 'c')}) + "]"),
                 "no valid tlog entries found rekor log public key not found for payload. "));
  const std::string root = std::string(64, '0');
  CHECK(contains(
      refusal("[" +
              entry_text(log, {.proof = R"({"hashes":[],"logIndex":0,"treeSize":1,"rootHash":")" + root + "\"}"}) +
              "]"),
      "no valid tlog entries found verifying inclusion proof: calculated root "));
  CHECK(contains(
      refusal("[" +
              entry_text(log, {.proof = R"({"hashes":[],"logIndex":0,"treeSize":3,"rootHash":")" + root + "\"}"}) +
              "]"),
      "verifying inclusion proof: wrong proof size 0, want 2"));
  for (const char* proof : {"null", "{}", R"({"hashes":["zz"],"logIndex":0,"treeSize":1,"rootHash":"00"})",
                            R"({"hashes":[],"logIndex":-1,"treeSize":1,"rootHash":"00"})"}) {
    CHECK(refusal("[" + entry_text(log, {.proof = proof}) + "]") ==
          "no valid tlog entries found inclusion proof not provided");
  }
}

TEST_CASE("Rekor's answer: what is no answer, and what is too much") {
  for (const char* json : {"", "{", "{}", "null", "[1]", R"([{"x":1}])", "[{]"}) {
    CHECK(parse_rekor_answer(json).error().code() == ErrorCode::kMalformed);
  }
  CHECK(parse_rekor_answer(std::string(kRekorAnswerBytesMax + 1, ' ')).error().code() == ErrorCode::kLimit);
  std::string many = "[";
  for (std::size_t i = 0; i <= kRekorEntriesMax; ++i) many += std::string(i == 0 ? "" : ",") + R"({"x":{}})";
  CHECK(parse_rekor_answer(many + "]").error().code() == ErrorCode::kLimit);
}

TEST_CASE("Rekor's query: a hashedrekord for a signature, dsse and intoto for an attestation") {
  const Authority authority = new_authority();
  const std::string key = base64_encode(as_bytes(to_pem(authority.certificate)));
  const auto query = rekor_query(layer_of(authority.certificate, "c2ln", "abc"));
  REQUIRE(query);
  CHECK(*query ==
        R"({"entryUUIDs":null,"logIndexes":null,"entries":[{"kind":"hashedrekord","apiVersion":"0.0.1","spec":)"
        R"({"data":{"hash":{"algorithm":"sha256","value":)"
        R"("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}},"signature":{"content":"c2ln",)"
        R"("publicKey":{"content":")" +
            key + R"("}}}}]})");
  const auto attestation = rekor_query(layer_of(authority.certificate, "", R"({"a":"b"})"));
  REQUIRE(attestation);
  CHECK(contains(*attestation, R"({"kind":"dsse","apiVersion":"0.0.1","spec":{"proposedContent":{"envelope":)"
                               R"("{\"a\":\"b\"}","verifiers":[")" +
                                   key + R"("]},"signatures":null}})"));
  CHECK(contains(*attestation, R"({"kind":"intoto","apiVersion":"0.0.1","spec":{"content":{"envelope":"{\"a\":\"b\"}",)"
                               R"("hash":{"algorithm":"sha256","value":")"));
  SignedLayer without = layer_of(authority.certificate, "c2ln", "abc");
  without.annotations.erase(kCertificateAnnotation);
  CHECK(rekor_query(without).error().message() == "no certificate found on signature");
  without.annotations.erase(kSignatureAnnotation);
  CHECK(contains(rekor_query(without).error().message(), "missing \"dev.cosignproject.cosign/signature\" annotation"));
  CHECK(contains(rekor_query(layer_of(authority.certificate, "?", "")).error().message(), "decoding base64 signature"));
}

namespace {

struct World {
  Loop loop;
  PlainServer server{loop};
  WorkerPool workers{loop, 1, 8};
  HttpClient http{loop, workers};
  Authority authority = new_authority();
  SignedLayer layer = layer_of(authority.certificate, "c2ln", "abc");

  Result<RekorEntry> find(const std::string& path = "/") {
    RekorClient client(http, server.url() + path, known_logs());
    return run_until_done(loop, client.find(layer, anything, Deadline::in(20s), {}));
  }
  std::string refusal(const std::string& status, const std::string& body) {
    server.answer = [&](const std::string&) { return PlainServer::answer_of(status, body); };
    const auto found = find();
    REQUIRE_FALSE(found);
    return found.error().message();
  }
};

}  // namespace

TEST_CASE("Rekor: one search, below the path of the URL") {
  World world;
  const FakeLog log = log_of(2);
  world.server.answer = [&](const std::string&) {
    return PlainServer::answer_of("200 OK", "[" + entry_text(log, {.leaf = 1}) + "]");
  };
  const auto found = world.find("/base/?x=1");
  REQUIRE(found);
  CHECK(found->log_index == 501);
  const std::string& request = world.server.requests.at(0);
  CHECK(request.starts_with("POST /base/api/v1/log/entries/retrieve HTTP/1.1\r\n"));
  CHECK(contains(request, "Content-Type: application/json\r\n"));
  CHECK(request.ends_with(rekor_query(world.layer).value()));
}

TEST_CASE("Rekor: refusals, and four tries where there is no answer") {
  World world;
  CHECK(world.refusal("400 Bad Request", R"({"code":400,"message":"no"})") ==
        R"(searching log query: [POST /api/v1/log/entries/retrieve][400] searchLogQueryBadRequest )"
        R"({"code":400,"message":"no"})");
  CHECK(world.server.requests.size() == 1);
  CHECK(contains(world.refusal("503 Away", "later"), ": giving up after 4 attempt(s): status 503: later"));
  CHECK(world.server.requests.size() == 5);
  CHECK(contains(world.refusal("404 Not Found", "x"), "[404] searchLogQuery default x"));
  CHECK(contains(world.refusal("200 OK", "<html>"), "the answer of Rekor is not a list of entries"));
  world.server.answer = [](const std::string&) {
    return PlainServer::answer_of("200 OK", std::string(kRekorAnswerBytesMax + 1, ' '));
  };
  const auto huge = world.find();
  REQUIRE_FALSE(huge);
  CHECK(huge.error().code() == ErrorCode::kLimit);
}
