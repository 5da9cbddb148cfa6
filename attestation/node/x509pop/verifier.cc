#include "attestation/node/x509pop/verifier.h"

#include <algorithm>
#include <map>

#include "attestation/node/x509pop/proof.h"
#include "runtime/tls/encoding.h"
#include "runtime/tls/x509.h"

namespace steeple::attestation::x509pop {

namespace {

using runtime::Bytes;
using runtime::BytesView;
using runtime::Certificate;
using runtime::Certificates;
using runtime::Error;
using runtime::ErrorCode;
using runtime::Result;

Error invalid(std::string text) { return Error(ErrorCode::kInvalidArgument, std::move(text)); }

std::string fingerprint(const Certificate& certificate) {
  auto digest = runtime::sha1(certificate.der());
  return runtime::to_hex(BytesView(digest.data(), digest.size()));
}

bool key_too_large(const Certificate& certificate, std::size_t bits_max) {
  Result<runtime::PublicKeyInfo> info = runtime::public_key_info(certificate.public_key());
  return info && info->rsa && info->bits > static_cast<int>(bits_max);
}

Result<Certificates> parse_roots(const std::vector<Bytes>& roots) {
  Certificates parsed;
  for (const Bytes& root : roots) {
    STEEPLE_TRY(certificate, Certificate::parse(root));
    parsed.push_back(std::move(certificate));
  }
  return parsed;
}

// The authorities on the verified path, nearest first. Only certificates that verify to a root themselves count.
Certificates path_of(const Certificate& leaf, const Certificates& intermediates, const Certificates& roots,
                     runtime::WallTime now) {
  Certificates path;
  Certificate at = leaf;
  while (path.size() <= static_cast<std::size_t>(runtime::kChainDepthMax)) {
    auto signs = [&at](const Certificate& issuer) { return runtime::is_signed_by(at, issuer); };
    auto root = std::find_if(roots.begin(), roots.end(), signs);
    if (root != roots.end()) {
      path.push_back(*root);
      return path;
    }
    auto next = std::find_if(intermediates.begin(), intermediates.end(), [&](const Certificate& issuer) {
      bool used = issuer == at || std::find(path.begin(), path.end(), issuer) != path.end();
      return !used && signs(issuer) && runtime::verify_chain(issuer, intermediates, roots, now).has_value();
    });
    if (next == intermediates.end()) return path;
    path.push_back(*next);
    at = *next;
  }
  return path;
}

std::string percent_decoded(std::string_view text) {
  std::string out;
  auto digit = [](char c) {
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
  };
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool escape = text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return out;
}

// From URI SANs x509pop://TRUST_DOMAIN/KEY/VALUE; of equal keys the last counts.
std::map<std::string, std::string> san_selectors(const Certificate& leaf, const std::string& trust_domain) {
  std::map<std::string, std::string> found;
  std::string prefix = "x509pop://" + trust_domain + "/";
  for (const std::string& uri : leaf.uri_sans()) {
    if (!uri.starts_with(prefix)) continue;
    std::string path = uri.substr(prefix.size());
    path = percent_decoded(path.substr(0, path.find_first_of("?#")));
    path.erase(0, path.find_first_not_of('/'));
    path.erase(path.find_last_not_of('/') + 1);
    std::size_t slash = path.find('/');
    if (slash != std::string::npos) found[path.substr(0, slash)] = path.substr(slash + 1);
  }
  return found;
}

Result<Certificates> parse_shown(const AttestationData& data, const VerifierOptions& options) {
  if (data.certificates.empty()) return invalid("no certificate to attest");
  // Counted before anything is parsed, since this input is a stranger's.
  if (data.certificates.size() - 1 > options.intermediates_max) return invalid("too many intermediate certificates");
  Certificates shown;
  for (const Bytes& der : data.certificates) {
    std::string which =
        shown.empty() ? "leaf certificate" : "intermediate certificate " + std::to_string(shown.size() - 1);
    Result<Certificate> certificate = Certificate::parse(der);
    if (!certificate) return invalid("unable to parse " + which + ": " + certificate.error().message());
    if (key_too_large(*certificate, options.rsa_key_bits_max)) return invalid(which + " key size too large");
    shown.push_back(std::move(*certificate));
  }
  return shown;
}

}  // namespace

Result<Bytes> Verifier::begin(BytesView payload, const std::string& trust_domain, runtime::WallTime now) {
  Result<AttestationData> data = parse_attestation_data(payload);
  if (!data) return invalid("failed to unmarshal data: " + data.error().message());
  STEEPLE_TRY(shown, parse_shown(*data, options_));
  STEEPLE_TRY(roots, parse_roots(options_.roots));
  Certificate leaf = shown.front();
  Certificates intermediates(shown.begin() + 1, shown.end());
  if (auto verified = runtime::verify_chain(leaf, intermediates, roots, now); !verified) {
    return Error(ErrorCode::kDenied, "certificate verification failed: " + verified.error().message());
  }
  Result<Challenge> challenge = make_challenge(leaf.der());
  if (!challenge) {
    return Error(ErrorCode::kInternal, "unable to generate challenge: " + challenge.error().message());
  }
  chain_ = {runtime::to_bytes(leaf.der())};
  for (const Certificate& authority : path_of(leaf, intermediates, roots, now)) {
    chain_.push_back(runtime::to_bytes(authority.der()));
  }
  trust_domain_ = trust_domain;
  challenge_ = *challenge;
  return format_challenge(challenge_);
}

Result<AgentFacts> Verifier::finish(BytesView message) {
  if (chain_.empty()) return Error(ErrorCode::kInternal, "no challenge was made");
  // An exchange ends with its first answer, whatever that is worth.
  std::vector<Bytes> chain = std::exchange(chain_, {});
  Result<Response> response = parse_response(message);
  if (!response) return invalid("unable to unmarshal challenge response: " + response.error().message());
  if (auto verified = verify_response(chain.front(), challenge_, *response); !verified) {
    return Error(ErrorCode::kDenied, "challenge response verification failed: " + verified.error().message());
  }
  STEEPLE_TRY(leaf, Certificate::parse(chain.front()));
  std::vector<std::string> selectors;
  if (!leaf.subject_common_name().empty()) selectors.push_back("subject:cn:" + leaf.subject_common_name());
  for (std::size_t i = 1; i < chain.size(); ++i) {
    STEEPLE_TRY(authority, Certificate::parse(chain[i]));
    selectors.push_back("ca:fingerprint:" + fingerprint(authority));
  }
  selectors.push_back("serialnumber:" + leaf.serial_hex());
  for (const auto& [key, value] : san_selectors(leaf, trust_domain_)) selectors.push_back("san:" + key + ":" + value);
  return AgentFacts("/x509pop/" + fingerprint(leaf), std::move(selectors));
}

}  // namespace steeple::attestation::x509pop
