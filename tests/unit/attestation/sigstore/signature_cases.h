// tests/data/sigstore/cases.json: layers of signatures with the trust that they are looked at with, and the verdict.
#pragma once

#include <simdjson.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "attestation/sigstore/signature_verifier.h"
#include "runtime/tls/encoding.h"

namespace steeple::attestation {

struct SignatureCase {
  std::string name;
  bool attestation = false;
  SigstoreConfig config;
  TrustMaterial trust;
  std::string digest;
  runtime::WallTime now;
  SignedLayer layer;
  std::optional<RekorEntry> found;
  std::string error;  // a part of the text; empty: verified

  runtime::Result<VerifiedSignature> verify() const {
    auto verifier = SignatureVerifier::make(config, trust);
    REQUIRE(verifier);
    return attestation ? verifier->attestation(layer, digest, found, now)
                       : verifier->signature(layer, digest, found, now);
  }
};

// The file's JSON, once; REQUIREs that everything is there.
class SignatureCases {
 public:
  SignatureCases() {
    REQUIRE(parser_.load(STEEPLE_TEST_DATA "/sigstore/cases.json").get(document_) == simdjson::SUCCESS);
  }

  std::vector<SignatureCase> all() const {
    std::vector<SignatureCase> cases;
    for (Element element : list(document_["cases"])) cases.push_back(read(element));
    return cases;
  }
  SignatureCase named(const std::string& name) const {
    for (Element element : list(document_["cases"])) {
      if (text(element["name"]) == name) return read(element);
    }
    FAIL("no case " << name);
    return {};
  }

 private:
  using Element = simdjson::dom::element;
  using Found = simdjson::simdjson_result<Element>;

  static simdjson::dom::array list(auto found) {
    simdjson::dom::array out;
    REQUIRE(found.get_array().get(out) == simdjson::SUCCESS);
    return out;
  }
  static simdjson::dom::object object(auto found) {
    simdjson::dom::object out;
    REQUIRE(found.get_object().get(out) == simdjson::SUCCESS);
    return out;
  }
  static std::string text(auto found) {
    std::string_view out;
    REQUIRE(found.get_string().get(out) == simdjson::SUCCESS);
    return std::string(out);
  }
  static std::int64_t number(auto found) {
    std::int64_t out = 0;
    REQUIRE(found.get_int64().get(out) == simdjson::SUCCESS);
    return out;
  }
  static bool flag(auto found) {
    bool out = false;
    REQUIRE(found.get_bool().get(out) == simdjson::SUCCESS);
    return out;
  }
  static std::vector<runtime::Bytes> certificates(Found found) {
    std::vector<runtime::Bytes> out;
    for (Element element : list(found)) out.push_back(*runtime::base64_decode(text(element)));
    return out;
  }
  static std::vector<LogKey> keys(Found found) {
    std::vector<LogKey> out;
    for (Element element : list(found)) {
      out.push_back(log_key(*runtime::base64_decode(text(element["spki"])), flag(element["active"])));
    }
    return out;
  }
  static RekorEntry entry(Found found) {
    return {text(found["body"]), number(found["integratedTime"]), number(found["logIndex"]), text(found["logID"]),
            text(found["signedEntryTimestamp"])};
  }

  SignatureCase read(Element element) const {
    SignatureCase out;
    out.name = text(element["name"]);
    out.attestation = text(element["kind"]) == "attestation";
    for (auto [issuer, subjects] : object(element["identities"])) {
      auto& into = out.config.allowed_identities[std::string(issuer)];
      for (Element subject : list(subjects)) into.push_back(text(subject));
    }
    out.config.ignore_sct = flag(element["ignore_sct"]);
    out.config.ignore_tlog = flag(element["ignore_tlog"]);
    Found trust = document_["trust"][text(element["trust"])];
    out.trust = {certificates(trust["roots"]), certificates(trust["intermediates"]), keys(trust["rekor"]),
                 keys(trust["ct"])};
    out.digest = text(element["digest"]);
    out.now = runtime::WallTime(std::chrono::seconds(number(element["now"])));
    out.layer.media_type = text(element["layer"]["mediaType"]);
    out.layer.payload = text(element["layer"]["payload"]);
    for (auto [name, value] : object(element["layer"]["annotations"])) {
      out.layer.annotations[std::string(name)] = text(value);
    }
    if (!element["found"].error()) out.found = entry(element["found"]);
    out.error = text(element["error"]);
    return out;
  }

  simdjson::dom::parser parser_;
  Element document_;
};

}  // namespace steeple::attestation
