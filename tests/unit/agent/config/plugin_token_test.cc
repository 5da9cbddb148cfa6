// The keys of the node attestors k8s_sat and k8s_psat.
#include <catch2/catch.hpp>

#include "agent/config/hcl/parser.h"
#include "agent/config/plugin_config.h"

using namespace steeple::agent;
using namespace steeple;

namespace {

runtime::Result<K8sTokenKeys> keys_of(const std::string& kind, const std::string& data) {
  auto document = hcl::parse("plugins { NodeAttestor \"" + kind + "\" { plugin_data { " + data + " } } }");
  REQUIRE(document);
  hcl::ReadNotes notes;
  auto root = hcl::ObjectReader::open("root", hcl::View((*document)->root), &notes);
  REQUIRE(root);
  auto plugins = read_plugins(*document, *root->read_raw("plugins"), &notes);
  REQUIRE(plugins);
  REQUIRE(refuse_missing_plugins(*plugins));
  return k8s_token_keys(plugins->all().at(0), runtime::Logger());
}

}  // namespace

TEST_CASE("Keys of k8s_sat and k8s_psat: cluster is needed, token_path is not") {
  for (const std::string kind : {"k8s_sat", "k8s_psat"}) {
    auto keys = keys_of(kind, R"(cluster = "demo" token_path = "/t")");
    REQUIRE(keys);
    CHECK(keys->cluster == "demo");
    CHECK(keys->token_path == "/t");
    CHECK(keys_of(kind, R"(cluster = "demo")")->token_path.empty());
    CHECK(keys_of(kind, R"(cluster = ["demo"])")
              .error()
              .message()
              .starts_with("failed to configure plugin \"" + kind +
                           "\": rpc error: code = InvalidArgument desc = unable to decode configuration: "));
  }
  CHECK(keys_of("k8s_sat", "").error().message() ==
        "failed to configure plugin \"k8s_sat\": rpc error: code = InvalidArgument desc = configuration missing "
        "cluster");
  CHECK(keys_of("k8s_psat", "").error().message() ==
        "failed to configure plugin \"k8s_psat\": rpc error: code = InvalidArgument desc = missing required cluster "
        "block");
}
