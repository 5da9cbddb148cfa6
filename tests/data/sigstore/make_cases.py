#!/usr/bin/env python3
"""Writes cases.json beside itself: signatures and attestations that verify, and one for each way not to.

Keys are made anew, so every byte changes. `error` is a part of Steeple's text, empty where it says yes; `cosign` says what
cosign 3.1.2 does under SPIRE's options where that is something else, "yes" or "no".
"""
import base64
import copy
import json
import pathlib
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1] / "fakes"))
from sigstore_maker import *  # noqa: E402, F403

AT = 1_768_435_200  # 2026-01-15
IMAGE, DIGEST, OTHER_DIGEST = "registry.example/app", "sha256:" + "a1" * 32, "sha256:" + "b2" * 32
YEARS = 8 * 365 * 86400
SUBJECT, ISSUER = "uri:https://ci.example/build", "https://issuer.example"
IDENTITIES = {ISSUER: ["https://ci.example/build"]}
cases = []


def case(name, layer, error="", with_chain=False, kind=None, trust="main", cosign=None, search=None, **options):
    if not with_chain and "x509" not in error:  # nobody reads it, and it is long
        layer = changed(layer, chain=None)
    kind = kind or ("attestation" if layer["mediaType"] == DSSE else "signature")
    found = None
    if search:
        (record,) = search[0].values()
        found = {key: record[key] for key in ("body", "integratedTime", "logIndex", "logID")} | {"signedEntryTimestamp": record["verification"]["signedEntryTimestamp"]}
    made = {"name": name, "kind": kind, "trust": trust, "error": error, "identities": IDENTITIES, "ignore_sct": False, "ignore_tlog": False, "digest": DIGEST, "now": AT + 60,
            "layer": layer} | options
    made |= {key: value for key, value in (("cosign", cosign), ("search", search), ("found", found)) if value is not None}
    cases.append(made)


def changed(layer, **annotations):
    """A copy with other annotations (by the maker's names); None takes one away."""
    out = copy.deepcopy(layer)
    for key, value in annotations.items():
        key = {"signature": SIGNATURE, "certificate": CERTIFICATE, "chain": CHAIN, "bundle": BUNDLE, "payload": "payload"}[key]
        if key == "payload":
            out["payload"] = value
        elif value is None:
            out["annotations"].pop(key, None)
        else:
            out["annotations"][key] = value
    return out


def bundle_with(layer, **payload):
    bundle = json.loads(layer["annotations"][BUNDLE])
    timestamp = payload.pop("timestamp", bundle["SignedEntryTimestamp"])
    return changed(layer, bundle=json.dumps({"SignedEntryTimestamp": timestamp, "Payload": bundle["Payload"] | payload}))


def flipped(data):
    """The last byte but some, another one: base64 text, of a signature."""
    raw = bytearray(base64.b64decode(data))
    raw[-3] ^= 1
    return b64(bytes(raw))


def side_by_side(signature):
    """DER to IEEE P1363 for P-256."""
    r_size = signature[3]
    r, s = signature[4:4 + r_size], signature[6 + r_size:]
    return b"".join(int.from_bytes(part, "big").to_bytes(32, "big") for part in (r, s))


def keys_and_names(s):
    for kind in ("p384", "p521", "rsa2048"):
        key = Key(s.folder, kind)
        case(f"signer's key {kind}", s.sign(IMAGE, DIGEST, key=key))
    ed25519 = Key(s.folder, "ed25519")
    case("signer's key ed25519", s.sign(IMAGE, DIGEST, key=ed25519, kind="rekord"))
    case("ed25519: wrong signature", s.sign(IMAGE, DIGEST, key=Key(s.folder, "ed25519"), certificate=s.leaf(SUBJECT, ISSUER, ed25519), kind="rekord"), "failed to verify signature")
    case("rsa: wrong signature", s.sign(IMAGE, DIGEST, key=Key(s.folder, "rsa2048"), certificate=s.leaf(SUBJECT, ISSUER, Key(s.folder, "rsa2048")), kind="rekord"),
         "crypto/rsa: verification error")
    for subject in ("email:dev@example.com", "dns:ci.example", "ip:192.0.2.7", "ip:2001:db8::7", "other:dev!example"):
        case(f"subject {subject}", s.sign(IMAGE, DIGEST, subject), identities={ISSUER: [subject.partition(":")[2]]})
    case("second subject counts", s.sign(IMAGE, DIGEST, ["uri:https://other.example", SUBJECT]))
    payload = s.sign(IMAGE, DIGEST)["payload"]
    raw = s.leaf_key.sign(payload.encode())
    case("ECDSA signature as r and s", s.sign(IMAGE, DIGEST, payload=payload, signature=b64(side_by_side(raw)), kind="rekord"))
    case("ECDSA signature of odd length", s.sign(IMAGE, DIGEST, payload=payload, signature=b64(b"\x01" * 33), kind="rekord"), "Invalid IEEE_P1363 encoded bytes")
    case("two names of users", s.sign(IMAGE, DIGEST, ["other:one", "other:two"]), "got subjects []", identities={ISSUER: ["one"]})
    case("name that is not IA5", s.sign(IMAGE, DIGEST, ["raw:8203c3a961", SUBJECT]), "not IA5")
    case("IP address of five bytes", s.sign(IMAGE, DIGEST, ["raw:87050102030405", SUBJECT]), "cannot parse IP address")
    case("too many names", s.sign(IMAGE, DIGEST, [f"dns:n{i}.example" for i in range(70)] + [SUBJECT]), "too many subject alternative names", cosign="yes")


def identities(s, good):
    case("no identity configured", good, identities={})
    case("issuer without subjects", good, identities={ISSUER: []})
    case("patterns", good, identities={"^https://issuer\\.(example|test)$": ["^https://ci\\.example/.*$"]})
    case("patterns match anywhere", good, identities={ISSUER: ["ci.example/b(u)"]})
    case("second identity", good, identities={"https://another": ["x"], ISSUER: ["y", "https://ci.example/build"]})
    case("empty subject allows all", good, identities={ISSUER: [""]})
    case("wrong subject", good, "none of the expected identities matched what was in the certificate, got subjects [https://ci.example/build] with issuer https://issuer.example",
         identities={ISSUER: ["https://ci.example/buil"]})
    case("wrong issuer", good, "none of the expected identities", identities={"https://issuer": ["https://ci.example/build"]})
    case("issuer of one, subject of another", good, "none of the expected identities", identities={ISSUER: ["x"], "https://another": ["https://ci.example/build"]})
    case("pattern does not match", good, "none of the expected identities", identities={ISSUER: ["^ci\\.example.*"]})
    case("exact subject is no prefix", s.sign(IMAGE, DIGEST, "uri:https://ci.example/build/evil"), "none of the expected identities")
    case("malformed subject", good, "malformed subject in identity: [a : error parsing regexp", identities={ISSUER: ["[a"]})
    case("malformed issuer", good, "malformed issuer in identity: (a : error parsing regexp", identities={"(a": ["x"]})
    case("no issuer", s.sign(IMAGE, DIGEST, issuer=None), "none of the expected identities")
    # SPIRE itself refuses this one afterwards, when it reads the certificate for the selectors, and the image with it.
    case("no issuer, nobody asked", s.sign(IMAGE, DIGEST, issuer=None), "no OIDC issuer found", identities={}, cosign="yes")
    case("no subject, nobody asked", s.sign(IMAGE, DIGEST, []), "no subject found", identities={}, cosign="yes")


def certificates(s, other, good):
    leaf = lambda **how: s.sign(IMAGE, DIGEST, certificate=s.leaf(SUBJECT, ISSUER, **how))
    case("issued by the root", leaf(authority=s.root))
    case("another root", good, "x509: certificate signed by unknown authority", trust="other")
    case("intermediate in the annotation alone", good, "cert verification failed: x509: certificate signed by unknown authority", trust="root alone")
    case("leaf for servers", leaf(usage=(SERVER_AUTH,)), "incompatible key usage")
    case("leaf without extended key usage", leaf(usage=()))
    case("leaf for any use", leaf(usage=("2.5.29.37.0",)))
    case("intermediate for servers", leaf(authority=s.for_servers), "incompatible key usage", trust="odd")
    case("intermediate that is no CA", leaf(authority=s.no_ca), "cert verification failed", trust="odd")
    case("intermediate signed with SHA-1", leaf(authority=s.sha1), "cert verification failed", trust="odd")
    case("intermediate not yet valid", leaf(authority=s.early), "cert verification failed", trust="odd")
    case("intermediate expired when signed", leaf(authority=s.brief), "issuing CA certificate expired before observed time", trust="odd")
    case("leaf signed with SHA-1", leaf(digest="sha1"), "cert verification failed")
    case("unknown critical extension", leaf(extra=[extension("1.2.3.4", b"x", True)]), "cert verification failed")
    case("extension twice", leaf(extra=[extension(ISSUER_OID, b"https://evil")]), "duplicate extension")
    own = Key(s.folder)
    self_signed = tbs_certificate(own.spki, "me", "me", own.algorithm(), (AT, AT + LEAF_SECONDS), [extension("2.5.29.17", der(0x30, alt_name(SUBJECT)))], 7)
    case("self-signed", s.sign(IMAGE, DIGEST, key=own, certificate=certify(self_signed, own)), "unknown authority")
    case("another authority of the same name", other.sign(IMAGE, DIGEST), "cert verification failed", trust="main, other's logs")
    case("no certificate", changed(good, certificate=None), "no certificate found on signature")
    case("certificate that is none", changed(good, certificate=pem("CERTIFICATE", b"\x30\x03\x02\x01\x01")), "x509: malformed certificate")
    case("certificate that is no PEM", changed(good, certificate="x"), "error during PEM decoding")
    case("chain that is none", changed(good, chain=pem("CERTIFICATE", b"\x30\x03\x02\x01\x01")), "x509: malformed certificate")
    case("too many certificates", changed(good, chain=pem("CERTIFICATE", s.root.certificate) * 17), "too many certificates", with_chain=True, cosign="yes")


def timestamps(s, other):
    leaf = lambda **how: s.sign(IMAGE, DIGEST, certificate=s.leaf(SUBJECT, ISSUER, **how))
    case("two CT logs", leaf(logs=[s.ct_log, s.rsa_log]), trust="two CT logs")
    case("CT log of RSA", leaf(logs=[s.rsa_log]), trust="two CT logs")
    case("timestamp with extensions", leaf(sct_extensions=b"later"))
    case("retired CT log", leaf(), trust="retired")
    case("no timestamp", leaf(logs=[]), "certificate does not include required embedded SCT and no detached SCT was set")
    case("no timestamp, ignored", leaf(logs=[]), ignore_sct=True)
    case("unknown CT log", leaf(logs=[other.ct_log]), "ctfe public key not found for payload")
    case("one of two CT logs unknown", leaf(logs=[s.ct_log, other.ct_log]), "ctfe public key not found for payload")
    case("timestamp of another certificate", leaf(sct_for=b"\x30\x00"), "error verifying embedded SCT: failed to verify ECDSA signature")
    good = sct_of(b"\x30\x00", s.intermediate.key.spki, s.ct_log, AT * 1000)
    case("timestamps cut short", leaf(scts=[good[:-1]]), "malformed list of certificate timestamps")
    case("timestamp of version 2", leaf(scts=[b"\1" + good[1:]]), "malformed list of certificate timestamps")
    case("no timestamps in the list", leaf(scts=der(0x04, b"\0\0")), "malformed list of certificate timestamps")
    case("timestamps that are no octets", leaf(scts=b"\x05\x00"), "malformed list of certificate timestamps")
    case("timestamp by SHA-1", leaf(scts=[good[:43] + b"\2" + good[44:]]), "failed to verify ECDSA signature")
    case("too many timestamps", leaf(scts=[good] * 17), "too many certificate timestamps", cosign="no")


def receipts(s, other, good):
    case("rekord entry", s.sign(IMAGE, DIGEST, kind="rekord"))
    case("retired Rekor key", good, trust="retired")
    case("signed after the certificate's end", s.sign(IMAGE, DIGEST, at=AT + LEAF_SECONDS + 1),
         "checking expiry on certificate with bundle: certificate expired before observed time: 2026-01-15T00:10:00Z is before 2026-01-15T00:10:01Z")
    case("signed in the certificate's last second", s.sign(IMAGE, DIGEST, at=AT + LEAF_SECONDS))
    case("signed before the certificate's start", s.sign(IMAGE, DIGEST, at=AT - 1), "certificate was issued after observed time")
    case("time of the entry changed", bundle_with(good, integratedTime=AT + 6), "error verifying bundle: unable to verify SET")
    case("index of the entry changed", bundle_with(good, logIndex=7), "unable to verify SET")
    case("timestamp of the entry changed", bundle_with(good, timestamp=flipped(json.loads(good["annotations"][BUNDLE])["SignedEntryTimestamp"])), "unable to verify SET")
    case("entry of another log", s.sign(IMAGE, DIGEST, log=other.rekor), "verifying bundle: rekor log public key not found for payload")
    case("entry names a log that did not sign", bundle_with(s.sign(IMAGE, DIGEST, log=other.rekor), logID=s.rekor.id), "unable to verify SET")
    case("time that no clock holds", s.sign(IMAGE, DIGEST, at=1 << 52), "out of range")
    case("no Rekor key", good, "no trusted rekor public keys provided", trust="no Rekor")
    case("Rekor key of RSA", good, "is not type ecdsa.PublicKey", trust="RSA Rekor")
    certificate = s.leaf(SUBJECT, ISSUER)
    signature = s.sign(IMAGE, DIGEST, certificate=certificate)
    sign_body = lambda **spec: s.with_bundle(copy.deepcopy(signature), signature_body("hashedrekord", **({"payload": signature["payload"],
                                             "signature": signature["annotations"][SIGNATURE], "certificate": certificate} | spec)))
    case("entry of another signature", sign_body(signature=b64(s.leaf_key.sign(signature["payload"].encode()))), "signature in bundle does not match signature being verified")
    case("entry of another certificate", sign_body(certificate=s.leaf(SUBJECT, ISSUER)), "comparing public key PEMs")
    case("entry of another payload", sign_body(payload="{}"), "matching bundle to payload", cosign="no")
    body = signature_body("hashedrekord", signature["payload"], signature["annotations"][SIGNATURE], certificate)
    with_body = lambda change: s.with_bundle(copy.deepcopy(signature), change(copy.deepcopy(body)))
    case("entry of an unknown kind", with_body(lambda body: body | {"kind": "helm"}), "unsupported type")
    case("entry of an unknown version", with_body(lambda body: body | {"apiVersion": "9.0.0"}), "unsupported type")
    case("entry without anything", with_body(lambda body: {"kind": "hashedrekord", "apiVersion": "0.0.1", "spec": {}}), "malformed log entry")
    rekord = signature_body("rekord", signature["payload"], signature["annotations"][SIGNATURE], certificate)
    rekord["spec"]["data"]["hash"]["algorithm"] = "sha512"
    case("entry by another hash", s.with_bundle(copy.deepcopy(signature), rekord), "unexpected algorithm")
    case("entry that is no base64", bundle_with(good, body="%"), "failed to extract signature from bundle")
    case("entry that is no text", bundle_with(good, body={}), "bundle payload body is not a string")
    case("bundle that is no JSON", changed(good, bundle="{"), "unmarshaling bundle")
    case("bundle that is null", changed(good, bundle="null"), "bundle payload body is not a string")
    case("bundle that is no JSON, log ignored", changed(good, bundle="{"), "unmarshaling bundle", ignore_tlog=True)
    # cosign looks at its own clock here, so this certificate lives for years.
    case("log ignored", s.sign(IMAGE, DIGEST, bundle=False, certificate=s.leaf(SUBJECT, ISSUER, seconds=YEARS)), ignore_tlog=True)
    case("log ignored, certificate expired", good, "expected a signed timestamp to verify an expired certificate", ignore_tlog=True, now=AT + LEAF_SECONDS + 1)
    case("log ignored, certificate not yet valid", good, "expected a signed timestamp to verify an expired certificate", ignore_tlog=True, now=AT - 1)
    unlogged = s.sign(IMAGE, DIGEST, bundle=False)
    searched = lambda of, **how: s.search_answer(*s.entry(signature_body("hashedrekord", of["payload"], of["annotations"][SIGNATURE],
                                                 base64.b64decode("".join(of["annotations"][CERTIFICATE].splitlines()[1:-1]))), **how))
    case("found in the log", unlogged, search=searched(unlogged))
    case("not found in the log", unlogged, "signature not found in transparency log")
    case("found in the log, too late", unlogged, "certificate expired before observed time", search=searched(unlogged, at=AT + LEAF_SECONDS + 1))
    case("found in another log", unlogged, "no valid tlog entries found", search=searched(unlogged, log=other.rekor))
    case("found in the log: another signature", unlogged, "no valid tlog entries found signature in bundle does not match", search=searched(good), cosign="yes")


def payloads(s, good):
    case("signature by another key", s.sign(IMAGE, DIGEST, key=Key(s.folder), certificate=s.leaf(SUBJECT, ISSUER), kind="rekord"),
         "invalid signature when validating ASN.1 encoded signature")
    case("payload changed", changed(good, payload=good["payload"] + " "), "matching bundle to payload")
    case("payload changed, log ignored", changed(good, payload=good["payload"] + " "), "invalid signature when validating", ignore_tlog=True)
    case("signature changed", changed(good, signature=flipped(good["annotations"][SIGNATURE])), "signature in bundle does not match")
    case("signature of another image", s.sign(IMAGE, OTHER_DIGEST), f"invalid or missing digest in claim: {OTHER_DIGEST}", cosign="yes")
    case("payload without a digest", s.sign(IMAGE, DIGEST, payload="{}"), "invalid or missing digest in claim: ", cosign="yes")
    case("payload that is no JSON", s.sign(IMAGE, DIGEST, payload="no"), "unable to read the payload", cosign="yes")
    case("no signature annotation", changed(good, signature=None), 'is missing "dev.cosignproject.cosign/signature" annotation')
    case("empty signature", changed(good, signature=""), "Invalid IEEE_P1363 encoded bytes")
    case("signature that is no base64", changed(good, signature="%"), "illegal base64 data", ignore_tlog=True)


def attestations(s):
    for kind in ("dsse", "intoto", "intoto2"):
        case(f"attestation, {kind} entry", s.attest(IMAGE, DIGEST, kind=kind))
    good = s.attest(IMAGE, DIGEST, certificate=s.leaf(SUBJECT, ISSUER, seconds=YEARS))
    read = json.loads(good["payload"])
    with_envelope = lambda **parts: s.attest(IMAGE, DIGEST, envelope=json.dumps(read | parts), certificate=base64.b64decode("".join(good["annotations"][CERTIFICATE].splitlines()[1:-1])),
                                             bundle=False)
    case("attestation, log ignored", with_envelope(), ignore_tlog=True)
    signature = read["signatures"][0]["sig"]
    case("attestation in URL's alphabet", with_envelope(payload=read["payload"].translate({43: 45, 47: 95}), signatures=[{"sig": signature.translate({43: 45, 47: 95})}]), ignore_tlog=True)
    case("attestation, second signature is the key's", with_envelope(signatures=[{"sig": flipped(signature)}, {"keyid": "x", "sig": signature}]), ignore_tlog=True)
    case("attestation without signatures", with_envelope(signatures=[]), "no signature found", ignore_tlog=True)
    case("attestation by another key", with_envelope(signatures=[{"sig": flipped(signature)}]), "accepted signatures do not match threshold, Found: 0, Expected 1", ignore_tlog=True)
    case("attestation: statement changed", with_envelope(payload=b64(b"{}")), "accepted signatures do not match threshold", ignore_tlog=True)
    case("attestation that is no base64", with_envelope(payload="%"), "unable to base64 decode payload", ignore_tlog=True)
    case("attestation with too many signatures", with_envelope(signatures=[{"sig": signature}] * 17), "too many signatures", ignore_tlog=True, cosign="yes")
    case("attestation of another type", s.attest(IMAGE, DIGEST, payload_type="text/plain"), "invalid payloadType text/plain on envelope. Expected application/vnd.in-toto+json")
    case("attestation of another image", s.attest(IMAGE, OTHER_DIGEST), "no matching subject digest found", cosign="yes")
    case("attestation without a subject", s.attest(IMAGE, DIGEST, statement="{}"), "no matching subject digest found", cosign="yes")
    case("attestation that is no envelope", s.layer(DSSE, "[]", "", s.leaf(SUBJECT, ISSUER)), "malformed envelope", ignore_tlog=True)
    case("attestation: envelope changed", changed(good, payload=good["payload"] + " "), "matching bundle to payload")
    case("attestation of another identity", s.attest(IMAGE, DIGEST, "uri:https://evil.example"), "none of the expected identities")
    case("attestation, log ignored, certificate expired", with_envelope(), "expected a signed timestamp to verify an expired certificate", ignore_tlog=True, now=AT + YEARS + 1, cosign="yes")
    case("attestation too late", s.attest(IMAGE, DIGEST, at=AT + LEAF_SECONDS + 1), "certificate expired before observed time")
    twice = json.dumps(read | {"signatures": [{"sig": signature}, {"sig": signature}]})
    case("attestation, entry of two signatures", s.attest(IMAGE, DIGEST, envelope=twice, certificate=s.leaf(SUBJECT, ISSUER)), "multiple signatures on DSSE envelopes are not currently supported")
    unlogged = with_envelope()
    body = attestation_body("dsse", unlogged["payload"], base64.b64decode("".join(unlogged["annotations"][CERTIFICATE].splitlines()[1:-1])))
    case("attestation found in the log", unlogged, search=s.search_answer(*s.entry(body)))


def trusts(s, other):
    log = lambda key, active=True: {"spki": b64(key.spki), "active": active}
    trust = lambda roots=(s.root,), intermediates=(s.intermediate,), rekor=None, ct=None: {
        "roots": [b64(a.certificate) for a in roots], "intermediates": [b64(a.certificate) for a in intermediates],
        "rekor": [log(s.rekor)] if rekor is None else rekor, "ct": [log(s.ct_log)] if ct is None else ct}
    return {"main": trust(), "other": trust([other.root], [other.intermediate]), "root alone": trust(intermediates=[]),
            "main, other's logs": trust(rekor=[log(other.rekor)], ct=[log(other.ct_log)]),
            "odd": trust(intermediates=[s.intermediate, s.for_servers, s.no_ca, s.sha1, s.early, s.brief]),
            "two CT logs": trust(ct=[log(s.ct_log), log(s.rsa_log)]), "retired": trust(rekor=[log(s.rekor, False)], ct=[log(s.ct_log, False)]),
            "no Rekor": trust(rekor=[]), "RSA Rekor": trust(rekor=[log(s.rekor), log(s.rsa_log)])}


def main():
    with tempfile.TemporaryDirectory() as folder:
        s, other = Sigstore(folder, AT), Sigstore(folder, AT)
        s.rsa_log = Key(folder, "rsa2048")
        s.for_servers = s.authority("for servers", s.root, usage=(SERVER_AUTH,))
        s.no_ca = s.authority("no CA", s.root, is_ca=False)
        s.sha1 = s.authority("SHA-1", s.root, digest="sha1")
        s.early = s.authority("early", s.root, validity=(AT + 1, AT + 86400))
        s.brief = s.authority("brief", s.root, validity=(AT - 60, AT + 3))
        good = s.sign(IMAGE, DIGEST)
        case("signature", good, with_chain=True)
        keys_and_names(s)
        identities(s, good)
        certificates(s, other, good)
        timestamps(s, other)
        receipts(s, other, good)
        payloads(s, good)
        attestations(s)
        text = json.dumps({"trust": trusts(s, other), "cases": cases}, indent=0)
        (HERE / "cases.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
