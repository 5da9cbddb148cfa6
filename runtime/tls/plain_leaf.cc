#include "runtime/tls/plain_leaf.h"

#include <algorithm>
#include <chrono>

#include "runtime/tls/certificate_der.h"
#include "runtime/tls/der_reader.h"
#include "runtime/tls/general_names.h"

namespace steeple::runtime {
namespace {

using der::Reader;

constexpr std::uint8_t kBoolean = 0x01;
constexpr std::uint8_t kIa5String = 0x16;
constexpr std::uint8_t kVersion3[] = {0x02, 0x01, 0x02};
constexpr std::uint8_t kDnsName = der::context(2, false);
constexpr std::uint8_t kUriName = der::context(6, false);
constexpr std::uint8_t kKeyIdentifier = der::context(0, false);
constexpr unsigned kSignsCertificatesOrCrls = 0x04 | 0x02;

bool equal(BytesView a, BytesView b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); }

bool is_ascii(BytesView text) {
  return std::all_of(text.begin(), text.end(), [](std::uint8_t c) { return c >= 0x20 && c < 0x7f; });
}

bool is_signature_algorithm(BytesView whole) {
  return equal(whole, signature_algorithm(SignatureScheme::kEcdsaSha256)) ||
         equal(whole, signature_algorithm(SignatureScheme::kEcdsaSha384)) ||
         equal(whole, signature_algorithm(SignatureScheme::kRsaPkcs1Sha256));
}

bool is_serial(BytesView contents) {
  if (contents.empty() || (contents[0] & 0x80)) return false;
  return contents.size() == 1 || contents[0] != 0 || (contents[1] & 0x80);
}

// RDNSequence: each RDN one attribute, its value a PrintableString, UTF8String or IA5String of ASCII.
bool is_name(BytesView contents) {
  Reader names(contents);
  while (!names.at_end()) {
    const auto set = names.take(der::kSet);
    if (!set) return false;
    Reader attributes(*set);
    const auto attribute = attributes.take(der::kSequence);
    if (!attribute || !attributes.at_end()) return false;
    Reader pair(*attribute);
    const auto type = pair.take(der::kOid);
    const bool text = pair.next_is(der::kPrintableString) || pair.next_is(der::kUtf8String) || pair.next_is(kIa5String);
    if (!type || !der::is_oid(*type) || !text) return false;
    const auto value = pair.take_any();
    if (!value || !is_ascii(*value) || !pair.at_end()) return false;
  }
  return true;
}

std::optional<int> number(BytesView digits) {
  int value = 0;
  for (const std::uint8_t digit : digits) {
    if (digit < '0' || digit > '9') return std::nullopt;
    value = 10 * value + (digit - '0');
  }
  return value;
}

// UTCTime to 2049, GeneralizedTime from 2050 (RFC 5280, 4.1.2.5), whole seconds, Z.
std::optional<WallTime> take_time(Reader& reader) {
  namespace chrono = std::chrono;
  const bool utc = reader.next_is(der::kUtcTime);
  const auto text = utc ? reader.take(der::kUtcTime) : reader.take(der::kGeneralizedTime);
  const std::size_t year_digits = utc ? 2 : 4;
  if (!text || text->size() != year_digits + 11 || text->back() != 'Z') return std::nullopt;
  const auto year = number(text->first(year_digits));
  std::optional<int> parts[5];
  for (std::size_t i = 0; i < 5; ++i) {
    parts[i] = number(text->subspan(year_digits + 2 * i, 2));
    if (!parts[i]) return std::nullopt;
  }
  if (!year || (!utc && (*year < 2050 || *year > 2200))) return std::nullopt;
  const int full_year = !utc ? *year : *year < 50 ? 2000 + *year : 1900 + *year;
  const chrono::year_month_day date{chrono::year(full_year), chrono::month(static_cast<unsigned>(*parts[0])),
                                    chrono::day(static_cast<unsigned>(*parts[1]))};
  if (!date.ok() || *parts[2] > 23 || *parts[3] > 59 || *parts[4] > 59) return std::nullopt;
  return WallTime(chrono::sys_days(date) + chrono::hours(*parts[2]) + chrono::minutes(*parts[3]) +
                  chrono::seconds(*parts[4]));
}

// One byte of named bits, none of them for signing certificates or CRLs.
bool is_plain_key_usage(BytesView value) {
  Reader reader(value);
  const auto bits = reader.take(der::kBitString);
  if (!bits || !reader.at_end() || bits->size() != 2 || (*bits)[0] > 7) return false;
  const unsigned usage = (*bits)[1];
  const unsigned unused = (1u << (*bits)[0]) - 1;
  return usage != 0 && (usage & unused) == 0 && (usage & kSignsCertificatesOrCrls) == 0;
}

bool is_list_of_oids(BytesView value) {
  Reader reader(value);
  const auto list = reader.take(der::kSequence);
  if (!list || !reader.at_end() || list->empty()) return false;
  Reader oids(*list);
  while (!oids.at_end()) {
    const auto oid = oids.take(der::kOid);
    if (!oid || !der::is_oid(*oid)) return false;
  }
  return true;
}

bool is_subject_key_id(BytesView value) {
  Reader reader(value);
  return reader.take(der::kOctetString) && reader.at_end();
}

bool is_authority_key_id(BytesView value) {
  Reader reader(value);
  const auto contents = reader.take(der::kSequence);
  if (!contents || !reader.at_end()) return false;
  Reader parts(*contents);
  return parts.take(kKeyIdentifier) && parts.at_end();
}

bool is_not_a_ca(BytesView value) {
  Reader reader(value);
  const auto contents = reader.take(der::kSequence);
  return contents && contents->empty() && reader.at_end();
}

std::optional<std::string> only_uri(BytesView value) {
  Reader reader(value);
  const auto names = reader.take(der::kSequence);
  if (!names || !reader.at_end()) return std::nullopt;
  std::optional<std::string> uri;
  Reader list(*names);
  for (int count = 0; !list.at_end(); ++count) {
    const bool is_uri = list.next_is(kUriName);
    if (count == kAltNamesMax || !(is_uri || list.next_is(kDnsName))) return std::nullopt;
    const auto name = list.take_any();
    if (!name || !is_ascii(*name) || (is_uri && uri)) return std::nullopt;
    if (is_uri) uri.emplace(name->begin(), name->end());
  }
  return uri;
}

// False: not plain.
bool read_extension(std::uint8_t number, BytesView value, PlainLeaf& leaf, bool& has_uri) {
  if (number == extension_number(Extension::kSubjectKeyId)) return is_subject_key_id(value);
  if (number == extension_number(Extension::kKeyUsage)) return is_plain_key_usage(value);
  if (number == extension_number(Extension::kBasicConstraints)) return is_not_a_ca(value);
  if (number == extension_number(Extension::kAuthorityKeyId)) return is_authority_key_id(value);
  if (number == extension_number(Extension::kExtendedKeyUsage)) return is_list_of_oids(value);
  if (number != extension_number(Extension::kSubjectAltName)) return false;
  std::optional<std::string> uri = only_uri(value);
  if (!uri) return false;
  leaf.uri = std::move(*uri);
  has_uri = true;
  return true;
}

bool read_extensions(BytesView contents, PlainLeaf& leaf) {
  std::uint64_t seen = 0;
  bool has_uri = false;
  Reader list(contents);
  while (!list.at_end()) {
    const auto extension = list.take(der::kSequence);
    if (!extension) return false;
    Reader parts(*extension);
    const auto oid = parts.take(der::kOid);
    if (!oid || oid->size() != 3 || (*oid)[0] != 0x55 || (*oid)[1] != 0x1d || (*oid)[2] > 63) return false;
    if (parts.next_is(kBoolean)) {
      const auto critical = parts.take(kBoolean);
      if (!critical || critical->size() != 1 || critical->front() != 0xff) return false;
    }
    const auto value = parts.take(der::kOctetString);
    const std::uint64_t mark = 1ull << (*oid)[2];
    if (!value || !parts.at_end() || (seen & mark) || !read_extension((*oid)[2], *value, leaf, has_uri)) return false;
    seen |= mark;
  }
  return has_uri;
}

bool read_validity(BytesView contents, PlainLeaf& leaf) {
  Reader times(contents);
  const auto not_before = take_time(times);
  const auto not_after = not_before ? take_time(times) : std::nullopt;
  if (!not_after || !times.at_end()) return false;
  leaf.not_before = *not_before;
  leaf.not_after = *not_after;
  return true;
}

// TBSCertificate (RFC 5280, 4.1); `algorithm` is the one it is signed with.
bool read_signed_part(BytesView contents, BytesView algorithm, PlainLeaf& leaf) {
  Reader parts(contents);
  const auto version = parts.take(der::context(0, true));
  const auto serial = version ? parts.take(der::kInteger) : std::nullopt;
  const auto inner_algorithm = serial ? parts.take_whole(der::kSequence) : std::nullopt;
  const auto issuer = inner_algorithm ? parts.take(der::kSequence) : std::nullopt;
  const auto validity = issuer ? parts.take(der::kSequence) : std::nullopt;
  const auto subject = validity ? parts.take(der::kSequence) : std::nullopt;
  const auto public_key = subject ? parts.take_whole(der::kSequence) : std::nullopt;
  const auto tagged = public_key ? parts.take(der::context(3, true)) : std::nullopt;
  if (!tagged || !parts.at_end()) return false;
  if (!equal(*version, kVersion3) || !is_serial(*serial) || !equal(*inner_algorithm, algorithm)) return false;
  if (!is_name(*issuer) || !is_name(*subject) || !read_validity(*validity, leaf)) return false;
  leaf.public_key = *public_key;
  Reader wrapped(*tagged);
  const auto extensions = wrapped.take(der::kSequence);
  return extensions && wrapped.at_end() && read_extensions(*extensions, leaf);
}

}  // namespace

std::optional<PlainLeaf> read_plain_leaf(BytesView der) {
  if (der.size() > kCertificateSizeMax) return std::nullopt;
  Reader input(der);
  const auto certificate = input.take(der::kSequence);
  if (!certificate || !input.at_end()) return std::nullopt;
  Reader parts(*certificate);
  const auto signed_part = parts.take(der::kSequence);
  const auto algorithm = signed_part ? parts.take_whole(der::kSequence) : std::nullopt;
  const auto signature = algorithm ? parts.take(der::kBitString) : std::nullopt;
  if (!signature || !parts.at_end() || !is_signature_algorithm(*algorithm)) return std::nullopt;
  if (signature->size() < 2 || signature->front() != 0) return std::nullopt;
  PlainLeaf leaf;
  if (!read_signed_part(*signed_part, *algorithm, leaf)) return std::nullopt;
  return leaf;
}

}  // namespace steeple::runtime
