#include "agent/cache/workload_update.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "agent/cache/message_writer.h"

namespace steeple::agent {
namespace {

using runtime::Bytes;
using runtime::BytesView;

// Field numbers of X509SVIDResponse, X509SVID and a map entry, all length-delimited (endpoints 8.2).
enum ResponseField : std::uint32_t { kSvids = 1, kFederatedBundles = 3 };
enum SvidField : std::uint32_t { kSpiffeId = 1, kX509Svid = 2, kX509SvidKey = 3, kBundle = 4, kHint = 5 };
enum MapField : std::uint32_t { kKey = 1, kValue = 2 };

std::size_t svid_size(const Identity& identity, std::size_t bundle_size) {
  return field_size(identity.entry().spiffe_id.text().size()) + field_size(identity.svid().chain().size()) +
         field_size(identity.svid().key().size()) + optional_field_size(bundle_size) +
         optional_field_size(identity.entry().hint.size());
}

void write_svid(MessageWriter& writer, const Identity& identity, BytesView bundle) {
  writer.header(kSvids, svid_size(identity, bundle.size()));
  writer.bytes(kSpiffeId, runtime::as_bytes(identity.entry().spiffe_id.text()));
  writer.bytes(kX509Svid, identity.svid().chain());
  writer.bytes(kX509SvidKey, identity.svid().key().view());
  writer.optional_bytes(kBundle, bundle);
  writer.optional_bytes(kHint, runtime::as_bytes(identity.entry().hint));
}

struct FederatedDer {
  std::string id;
  Bytes der;
  std::size_t size() const { return field_size(id.size()) + field_size(der.size()); }
};

std::vector<FederatedDer> federated_der(std::span<const SharedBundle> bundles) {
  std::vector<FederatedDer> federated;
  federated.reserve(bundles.size());
  for (const SharedBundle& bundle : bundles) {
    federated.push_back({bundle->trust_domain().id_string(), bundle->x509_der()});
  }
  return federated;
}

bool loses_to(const RegistrationEntry& entry, const RegistrationEntry& other) {
  if (entry.created_at != other.created_at) return entry.created_at > other.created_at;
  return entry.id > other.id;
}

template <class EntryAt>
std::vector<std::uint32_t> lost_hints(std::size_t count, EntryAt entry_at) {
  std::vector<std::uint32_t> lost;
  std::unordered_map<std::string_view, std::uint32_t> holders;
  for (std::uint32_t position = 0; position < count; ++position) {
    const RegistrationEntry& entry = entry_at(position);
    if (entry.hint.empty()) continue;
    auto [holder, first] = holders.try_emplace(entry.hint, position);
    if (first) continue;
    if (loses_to(entry, entry_at(holder->second))) {
      lost.push_back(position);
    } else {
      lost.push_back(std::exchange(holder->second, position));
    }
  }
  std::sort(lost.begin(), lost.end());
  return lost;
}

}  // namespace

std::vector<std::uint32_t> positions_with_lost_hints(std::span<const Identity> identities) {
  return lost_hints(identities.size(),
                    [&](std::size_t at) -> const RegistrationEntry& { return identities[at].entry(); });
}

std::vector<std::uint32_t> positions_with_lost_hints(std::span<const SharedEntry> entries) {
  return lost_hints(entries.size(), [&](std::size_t at) -> const RegistrationEntry& { return *entries[at]; });
}

WorkloadUpdate::WorkloadUpdate(std::vector<Identity> identities, SharedBundle own, std::vector<SharedBundle> federated)
    : identities_(std::move(identities)),
      own_(std::move(own)),
      federated_(std::move(federated)),
      ignored_(positions_with_lost_hints(identities_)) {}

WorkloadUpdate::~WorkloadUpdate() = default;

bool WorkloadUpdate::is_ignored(std::size_t position) const {
  return std::binary_search(ignored_.begin(), ignored_.end(), position);
}

const runtime::SharedBytes& WorkloadUpdate::x509_svid_response() const {
  if (x509_svid_response_) return x509_svid_response_;
  const Bytes bundle = own_ ? own_->x509_der() : Bytes();
  const std::vector<FederatedDer> federated = federated_der(federated_);
  std::size_t size = 0;
  for (std::size_t i = 0; i < identities_.size(); ++i) {
    if (!is_ignored(i)) size += field_size(svid_size(identities_[i], bundle.size()));
  }
  for (const FederatedDer& one : federated) size += field_size(one.size());

  MessageWriter writer(size);
  for (std::size_t i = 0; i < identities_.size(); ++i) {
    if (!is_ignored(i)) write_svid(writer, identities_[i], bundle);
  }
  for (const FederatedDer& one : federated) {
    writer.header(kFederatedBundles, one.size());
    writer.bytes(kKey, runtime::as_bytes(one.id));
    writer.bytes(kValue, one.der);
  }
  x509_svid_response_ = writer.take_secret();
  return x509_svid_response_;
}

}  // namespace steeple::agent
