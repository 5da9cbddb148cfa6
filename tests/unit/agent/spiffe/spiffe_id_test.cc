#include "agent/spiffe/spiffe_id.h"

#include <catch2/catch.hpp>

using namespace steeple::agent;

TEST_CASE("SPIFFE IDs parse into trust domain and path") {
  auto id = SpiffeId::parse("spiffe://example.org/ns/a-b_c.d/Sa0");
  REQUIRE(id);
  CHECK(id->trust_domain().name() == "example.org");
  CHECK(id->path() == "/ns/a-b_c.d/Sa0");
  CHECK(id->text() == "spiffe://example.org/ns/a-b_c.d/Sa0");
  CHECK(id->member_of(*TrustDomain::parse("example.org")));
  CHECK_FALSE(id->member_of(*TrustDomain::parse("example.com")));
  CHECK(SpiffeId::parse("spiffe://a").value().path().empty());
  CHECK(SpiffeId::parse("spiffe://a/.../x").has_value());
}

TEST_CASE("Faulty SPIFFE IDs have go-spiffe's texts") {
  const std::string trust_domain_text =
      "trust domain characters are limited to lowercase letters, numbers, dots, dashes, and underscores";
  const std::string segment_text =
      "path segment characters are limited to letters, numbers, dots, dashes, and underscores";
  const std::pair<std::string, std::string> cases[] = {
      {"", "cannot be empty"},
      {"example.org", "scheme is missing or invalid"},
      {"http://example.org", "scheme is missing or invalid"},
      {"SPIFFE://example.org", "scheme is missing or invalid"},
      {"spiffe:/example.org", "scheme is missing or invalid"},
      {"spiffe://", "trust domain is missing"},
      {"spiffe:///path", "trust domain is missing"},
      {"spiffe://Example.org/a", trust_domain_text},
      {"spiffe://example.org:80/a", trust_domain_text},
      {"spiffe://user@example.org", trust_domain_text},
      {"spiffe://example.org?q", trust_domain_text},
      {"spiffe://example.org/", "path cannot have a trailing slash"},
      {"spiffe://example.org/a/", "path cannot have a trailing slash"},
      {"spiffe://example.org//a", "path cannot contain empty segments"},
      {"spiffe://example.org/a//b", "path cannot contain empty segments"},
      {"spiffe://example.org/./a", "path cannot contain dot segments"},
      {"spiffe://example.org/a/..", "path cannot contain dot segments"},
      {"spiffe://example.org/a%20b", segment_text},
      {"spiffe://example.org/a b", segment_text},
      {"spiffe://example.org/\xc3\xa4", segment_text},
      {std::string("spiffe://example.org/a\0b", 24), segment_text},
  };
  for (const auto& [text, error] : cases) {
    INFO(text);
    auto id = SpiffeId::parse(text);
    REQUIRE_FALSE(id);
    CHECK(id.error().message() == error);
  }
}

TEST_CASE("A trust domain is a name or any ID in it") {
  CHECK(TrustDomain::parse("example.org")->name() == "example.org");
  CHECK(TrustDomain::parse("spiffe://example.org")->name() == "example.org");
  CHECK(TrustDomain::parse("spiffe://example.org/a")->id_string() == "spiffe://example.org");
  CHECK(TrustDomain::parse("").error().message() == "trust domain is missing");
  CHECK(TrustDomain::parse("spiffe:/example.org").error().message() == "scheme is missing or invalid");
  CHECK(TrustDomain::parse("Example.org").error().message().starts_with("trust domain characters are limited"));
}

TEST_CASE("IDs are made from a trust domain and a path") {
  TrustDomain domain = *TrustDomain::parse("example.org");
  CHECK(SpiffeId::make(domain, "/a/b")->text() == "spiffe://example.org/a/b");
  CHECK(SpiffeId::make(domain, "")->text() == "spiffe://example.org");
  CHECK(SpiffeId::make(domain, "a").error().message() == "path must have a leading slash");
  CHECK(SpiffeId::make(TrustDomain(), "/a").error().message() == "trust domain is empty");
  CHECK(server_id(domain).text() == "spiffe://example.org/spire/server");
  CHECK(is_agent_path("/spire/agent/x509pop/1"));
  CHECK_FALSE(is_agent_path("/spire/agent"));
  CHECK(is_reserved_path("/spire"));
  CHECK(is_reserved_path("/spire/server"));
  CHECK_FALSE(is_reserved_path("/spirens"));
}
