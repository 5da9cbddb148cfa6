// What the server accepts from those who administer it (server-sync 8.7): conversions and checks of ids, entries,
// selectors and bundles, with the real server's texts. Pure. An Error's message is the inner text; status_of adds the
// outer one.
#pragma once

#include <string>
#include <string_view>

#include "agent/spiffe/spiffe_id.h"
#include "deploy/devserver/datastore/stores.h"
#include "runtime/grpc/status.h"

namespace spire::api::types {
class Bundle;
class BundleMask;
class Entry;
class EntryMask;
class SPIFFEID;
class Selector;
class SelectorMatch;
class Status;
}  // namespace spire::api::types

namespace google::protobuf {
template <typename T>
class RepeatedPtrField;
}  // namespace google::protobuf

namespace steeple::devserver {

inline constexpr std::size_t kHintBytesMax = 1024;
inline constexpr std::size_t kEntryIdBytesMax = 255;
inline constexpr int kBatchItemsMax = 50'000;  // entries or ids of one request
inline constexpr int kSelectorsOfEntryMax = 1'000;
inline constexpr int kAuthoritiesOfBundleMax = 1'000;

// "DOING: inner" (NOT_FOUND never has the inner text).
runtime::grpc::Status status_of(runtime::grpc::StatusCode code, std::string_view doing,
                                const runtime::Error* inner = nullptr);
void set_status(spire::api::types::Status& out, const runtime::grpc::Status& status);  // OK has the message "OK"

runtime::Result<agent::SpiffeId> id_of(const spire::api::types::SPIFFEID& id);
enum class IdRole { kMember, kWorkload, kAgent };
// `id` is null when the message had none.
runtime::Result<agent::SpiffeId> id_in_role(const agent::TrustDomain& trust_domain,
                                            const spire::api::types::SPIFFEID* id, IdRole role);
runtime::Result<void> check_role(const agent::TrustDomain& trust_domain, const agent::SpiffeId& id, IdRole role);
void set_id(spire::api::types::SPIFFEID& out, const agent::SpiffeId& id);

using SelectorList = google::protobuf::RepeatedPtrField<spire::api::types::Selector>;
runtime::Result<attestation::Selectors> selectors_from(const SelectorList& list);
// Whether `has` matches by exact set, subset, superset or any.
bool selectors_match(const attestation::Selectors& has, const attestation::Selectors& wanted, int behaviour);

runtime::Result<void> check_dns_name(std::string_view name);

// Checks the fields that `mask` (null: all) names, and normalises federates_with to trust domain names.
runtime::Result<void> check_entry(const agent::TrustDomain& trust_domain, spire::api::types::Entry& entry,
                                  const spire::api::types::EntryMask* mask);
// Rules of the datastore, on the whole entry.
runtime::Result<void> check_stored_entry(const spire::api::types::Entry& entry);
// Copies the fields that `mask` (null: all) names.
void merge_entry(spire::api::types::Entry& into, const spire::api::types::Entry& from,
                 const spire::api::types::EntryMask* mask);
void apply_mask(spire::api::types::Entry& entry, const spire::api::types::EntryMask* mask);

runtime::Result<void> check_bundle(const spire::api::types::Bundle& bundle);
void apply_mask(spire::api::types::Bundle& bundle, const spire::api::types::BundleMask* mask);

}  // namespace steeple::devserver
