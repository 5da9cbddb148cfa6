#include "agent/cli/x509_response.h"

#include <fmt/format.h>

#include <set>

#include "agent/spiffe/x509_svid.h"
#include "runtime/core/go_text.h"
#include "spiffe/workload/workload.pb.h"

namespace steeple::agent::cli {
namespace {

using runtime::Certificates;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error malformed(std::string message) { return Error(ErrorCode::kMalformed, std::move(message)); }

Result<X509Entry> parse_entry(const ::X509SVID& svid) {
  STEEPLE_TRY(chain, runtime::parse_certificate_chain(runtime::as_bytes(svid.x509_svid())));
  if (chain.empty()) return malformed("no certificates found");
  STEEPLE_TRY(key, runtime::with_context(runtime::PrivateKey::from_pkcs8(runtime::as_bytes(svid.x509_svid_key())),
                                         "failed to parse private key"));
  STEEPLE_TRY(bundle, runtime::with_context(runtime::parse_certificate_chain(runtime::as_bytes(svid.bundle())),
                                            "failed to parse trust bundle"));
  if (bundle.empty()) return malformed("no certificates in trust bundle");
  return X509Entry{svid.spiffe_id(), svid.hint(), std::move(chain), std::move(key), std::move(bundle)};
}

Result<void> verify_entry(const X509Entry& entry, runtime::WallTime now) {
  STEEPLE_TRY(id, SpiffeId::parse(entry.spiffe_id));
  const auto verify = [&]() -> Result<void> {
    const runtime::Certificate& leaf = entry.chain.front();
    Result<SpiffeId> leaf_id = spiffe_id_of(leaf);
    if (!leaf_id) return std::move(leaf_id.error()).with_context("x509svid: could not get leaf SPIFFE ID");
    if (Result<void> checked = check_leaf(leaf); !checked) {
      return std::move(checked.error()).with_context("x509svid");
    }
    const Certificates intermediates(entry.chain.begin() + 1, entry.chain.end());
    return runtime::with_context(runtime::verify_chain(leaf, intermediates, entry.bundle, now),
                                 "x509svid: could not verify leaf certificate");
  };
  return runtime::with_context(
      verify(), fmt::format("{} SVID failed verification against bundle", runtime::go_quote(entry.spiffe_id)));
}

std::string validity(std::string_view label, const runtime::Certificate& certificate) {
  return fmt::format("{} Valid After:\t{}\n{} Valid Until:\t{}\n", label, runtime::go_time(certificate.not_before()),
                     label, runtime::go_time(certificate.not_after()));
}

std::string pretty_entry(const X509Entry& entry, bool with_hint) {
  std::string text = fmt::format("SPIFFE ID:\t\t{}\n", entry.spiffe_id);
  if (with_hint && !entry.hint.empty()) text += fmt::format("Hint:\t\t\t{}\n", entry.hint);
  text += validity("SVID", entry.chain.front());
  for (std::size_t i = 1; i < entry.chain.size(); ++i)
    text += validity(fmt::format("Intermediate #{}", i), entry.chain[i]);
  for (std::size_t i = 0; i < entry.bundle.size(); ++i) text += validity(fmt::format("CA #{}", i + 1), entry.bundle[i]);
  return text;
}

// go-spiffe names a trust domain without its scheme.
std::string_view bare_name(std::string_view trust_domain_id) {
  static constexpr std::string_view kScheme = "spiffe://";
  return trust_domain_id.starts_with(kScheme) ? trust_domain_id.substr(kScheme.size()) : trust_domain_id;
}

}  // namespace

Result<X509Response> parse_x509_response(runtime::BytesView message, ResponseUse use) {
  ::X509SVIDResponse raw;
  if (!raw.ParseFromArray(message.data(), static_cast<int>(message.size()))) {
    return malformed("failed to parse the response");
  }
  if (raw.svids().empty()) return malformed("workload response contains no svids");
  X509Response response;
  for (const auto& [id, der] : raw.federated_bundles()) {
    const std::string quoted = runtime::go_quote(id);
    STEEPLE_TRY(bundle, runtime::with_context(runtime::parse_certificate_chain(runtime::as_bytes(der)),
                                              "failed to parse bundle for federated domain " + quoted));
    if (bundle.empty() && use == ResponseUse::kFetched) {
      return malformed("no certificates in bundle for federated domain " + quoted);
    }
    response.federated_bundles.emplace(id, std::move(bundle));
  }
  std::set<std::string> hints;
  for (int i = 0; i < raw.svids_size(); ++i) {
    const ::X509SVID& svid = raw.svids(i);
    const bool repeated = !svid.hint().empty() && !hints.insert(svid.hint()).second;
    if (repeated && use == ResponseUse::kWatched) continue;
    STEEPLE_TRY(
        entry, runtime::with_context(parse_entry(svid), fmt::format("failed to parse svid entry {} for spiffe id {}", i,
                                                                    runtime::go_quote(svid.spiffe_id()))));
    response.entries.push_back(std::move(entry));
  }
  return response;
}

Result<void> verify_x509_response(const X509Response& response, runtime::WallTime now) {
  for (const X509Entry& entry : response.entries) STEEPLE_CHECK(verify_entry(entry, now));
  return {};
}

std::string pretty_x509_response(const X509Response& response, std::chrono::nanoseconds took, ResponseUse use) {
  const std::size_t count = response.entries.size();
  std::string text =
      fmt::format("Received {} svid{} after {}\n", count, count == 1 ? "" : "s", runtime::go_duration(took));
  for (const X509Entry& entry : response.entries) {
    text += "\n" + pretty_entry(entry, use == ResponseUse::kFetched);
    for (const auto& [id, bundle] : response.federated_bundles) {
      const std::string_view name = use == ResponseUse::kFetched ? std::string_view(id) : bare_name(id);
      for (std::size_t i = 0; i < bundle.size(); ++i)
        text += validity(fmt::format("[{}] CA #{}", name, i + 1), bundle[i]);
    }
  }
  return text + "\n";
}

}  // namespace steeple::agent::cli
