// agent-data.json as the stock agent 1.15.3 wrote it after a join token attestation.
#include <catch2/catch.hpp>
#include <fstream>

#include "agent/spiffe/x509_svid.h"
#include "agent/storage/agent_data.h"
#include "runtime/tls/plain_leaf.h"

using namespace steeple::agent;

namespace {

std::string read(const std::string& name) {
  std::ifstream in(STEEPLE_TEST_DATA "/go-agent/" + name);
  return std::string(std::istreambuf_iterator<char>(in), {});
}

}  // namespace

TEST_CASE("The stock agent's agent-data.json is read, and written back byte for byte") {
  std::string json = read("agent-data.json");
  auto data = parse_agent_data(json);
  REQUIRE(data);
  REQUIRE(data->svid.size() == 1);
  CHECK(spiffe_id_of(data->svid.front())->text().starts_with("spiffe://example.org/spire/agent/join_token/"));
  REQUIRE(data->bundle.size() == 1);
  CHECK(steeple::runtime::verify_chain(data->svid.front(), {}, data->bundle, data->svid.front().not_before()));
  CHECK_FALSE(data->reattestable);
  CHECK(data->bootstrap.use == BootstrapUse::kRebootstrap);
  CHECK_FALSE(data->bootstrap.start_time);
  CHECK(data->bootstrap.connection_attempts == 0);
  CHECK(format_agent_data(*data) == json);
}

TEST_CASE("A leaf that the stock server signed is of the plain profile") {
  auto data = parse_agent_data(read("agent-data.json"));
  REQUIRE(data);
  const steeple::runtime::Certificate& leaf = data->svid.front();
  const auto plain = steeple::runtime::read_plain_leaf(leaf.der());
  REQUIRE(plain);
  CHECK(leaf.uri_sans() == std::vector<std::string>{plain->uri});
  CHECK(leaf.not_before() == plain->not_before);
  CHECK(leaf.not_after() == plain->not_after);
}
