"""A Sigstore of our own: a Fulcio, a CT log and a Rekor made of keys, and signatures and attestations of images by them,
as cosign puts them into a registry. Needs Python's own library and the openssl program.

    sigstore = Sigstore(folder)
    sigstore.write_trust(folder)                        # fulcio.pem, rekor.pub, ctfe.pub
    layer = sigstore.sign("registry/app", "sha256:...", subject="uri:https://ci", issuer="https://issuer")
    manifest, blobs = manifest_of([layer])              # what the tag sha256-....sig holds

A layer is {"mediaType", "annotations", "payload"}; every part that a test may want to be wrong is an argument or can be
replaced in the answer.
"""
import base64
import hashlib
import ipaddress
import json
import pathlib
import struct
import subprocess
import time

SIGNATURE = "dev.cosignproject.cosign/signature"
CERTIFICATE = "dev.sigstore.cosign/certificate"
CHAIN = "dev.sigstore.cosign/chain"
BUNDLE = "dev.sigstore.cosign/bundle"
IN_TOTO = "application/vnd.in-toto+json"
SIMPLE_SIGNING = "application/vnd.dev.cosign.simplesigning.v1+json"
DSSE = "application/vnd.dsse.envelope.v1+json"
LEAF_SECONDS = 600  # Fulcio's certificates live ten minutes

ISSUER_OID = "1.3.6.1.4.1.57264.1.1"
ISSUER_V2_OID = "1.3.6.1.4.1.57264.1.8"
OTHER_NAME_OID = "1.3.6.1.4.1.57264.1.7"
SCT_OID = "1.3.6.1.4.1.11129.2.4.2"
CODE_SIGNING, SERVER_AUTH = "1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.1"


def b64(data):
    return base64.b64encode(data).decode()


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def compact(value):
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def pem(block, der):
    text = b64(der)
    return f"-----BEGIN {block}-----\n" + "".join(text[i:i + 64] + "\n" for i in range(0, len(text), 64)) + f"-----END {block}-----\n"


def der(tag, *parts):
    body = b"".join(parts)
    if len(body) < 128:
        return bytes([tag, len(body)]) + body
    size = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(size)]) + size + body


def oid(text):
    numbers = [int(part) for part in text.split(".")]
    out = bytearray([numbers[0] * 40 + numbers[1]])
    for number in numbers[2:]:
        groups = [number & 0x7F]
        while number := number >> 7:
            groups.append(0x80 | number & 0x7F)
        out += bytes(reversed(groups))
    return der(0x06, bytes(out))


def integer(number):
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def utc_time(seconds):
    return der(0x17, time.strftime("%y%m%d%H%M%SZ", time.gmtime(seconds)).encode())


def name(common_name):
    return der(0x30, der(0x31, der(0x30, oid("2.5.4.3"), der(0x0C, common_name.encode())))) if common_name else der(0x30)


def extension(identifier, value, critical=False):
    return der(0x30, oid(identifier), der(0x01, b"\xff") if critical else b"", der(0x04, value))


def alt_name(subject):
    """email:, uri:, dns:, ip:, other: (Fulcio's user names), raw: (hex of a GeneralName)."""
    kind, _, value = subject.partition(":")
    if kind == "other":
        return der(0xA0, oid(OTHER_NAME_OID), der(0xA0, der(0x0C, value.encode())))
    if kind == "ip":
        return der(0x87, ipaddress.ip_address(value).packed)
    if kind == "raw":
        return bytes.fromhex(value)
    return der({"email": 0x81, "dns": 0x82, "uri": 0x86}[kind], value.encode())


class Key:
    """A key pair in a file of `folder`. kind: p256, p384, p521, rsa2048, rsa1024, ed25519."""

    def __init__(self, folder, kind="p256"):
        Key.count = getattr(Key, "count", 0) + 1
        self.kind = kind
        self.path = pathlib.Path(folder) / f"key-{Key.count}.pem"
        how = {"p": ["EC", "-pkeyopt", f"ec_paramgen_curve:P-{kind[1:]}"], "r": ["RSA", "-pkeyopt", f"rsa_keygen_bits:{kind[3:]}"], "e": ["ED25519"]}[kind[0]]
        openssl("genpkey", "-algorithm", *how, "-out", self.path)
        self.spki = openssl("pkey", "-in", self.path, "-pubout", "-outform", "DER")
        self.id = sha256(self.spki)

    def public_pem(self):
        return pem("PUBLIC KEY", self.spki)

    def sign(self, message, digest="sha256"):
        if self.kind == "ed25519":
            message_file = self.path.with_suffix(".message")
            message_file.write_bytes(message)
            return openssl("pkeyutl", "-sign", "-inkey", self.path, "-rawin", "-in", message_file)
        return openssl("dgst", f"-{digest}", "-sign", self.path, given=message)

    def algorithm(self, digest="sha256"):
        if self.kind == "ed25519":
            return der(0x30, oid("1.3.101.112"))
        if self.kind.startswith("rsa"):
            return der(0x30, oid({"sha1": "1.2.840.113549.1.1.5", "sha256": "1.2.840.113549.1.1.11"}[digest]), der(0x05))
        return der(0x30, oid({"sha1": "1.2.840.10045.4.1", "sha256": "1.2.840.10045.4.3.2"}[digest]))


def openssl(*arguments, given=None):
    return subprocess.run(["openssl", *map(str, arguments)], input=given, check=True, capture_output=True).stdout


class Authority:
    """A CA certificate and its key."""

    def __init__(self, common_name, key, certificate):
        self.common_name, self.key, self.certificate = common_name, key, certificate


def tbs_certificate(spki, subject, issuer, algorithm, validity, extensions, serial):
    return der(0x30, der(0xA0, integer(2)), integer(serial), algorithm, name(issuer), der(0x30, *map(utc_time, validity)), name(subject), spki,
               der(0xA3, der(0x30, *extensions)) if extensions else b"")


def certify(tbs, key, digest="sha256"):
    return der(0x30, tbs, key.algorithm(digest), der(0x03, b"\0", key.sign(tbs, digest)))


def sct_of(tbs, issuer_spki, log, timestamp_ms, extensions=b""):
    """RFC 6962, 3.2 and 3.3: one serialized timestamp of a precertificate."""
    signed = b"\0\0" + struct.pack(">QH", timestamp_ms, 1) + hashlib.sha256(issuer_spki).digest() + struct.pack(">I", len(tbs))[1:] + tbs
    signed += struct.pack(">H", len(extensions)) + extensions
    signature = log.sign(signed)
    return (b"\0" + bytes.fromhex(log.id) + struct.pack(">QH", timestamp_ms, len(extensions)) + extensions + bytes([4, 1 if log.kind.startswith("rsa") else 3])
            + struct.pack(">H", len(signature)) + signature)


def sct_list(scts):
    body = b"".join(struct.pack(">H", len(sct)) + sct for sct in scts)
    return der(0x04, struct.pack(">H", len(body)) + body)


class Sigstore:
    def __init__(self, folder, at=None, leaf_key="p256"):
        self.folder = pathlib.Path(folder)
        self.at = int(at if at is not None else time.time())
        self.serial = 100
        self.log_index = 1000
        self.root = self.authority("sigstore root")
        self.intermediate = self.authority("sigstore intermediate", self.root)
        self.rekor, self.ct_log, self.leaf_key = Key(folder), Key(folder), Key(folder, leaf_key)

    def authority(self, common_name, parent=None, kind="p384", digest="sha256", usage=(CODE_SIGNING,), is_ca=True, validity=None):
        key = Key(self.folder, kind)
        signer = parent.key if parent else key
        extensions = [extension("2.5.29.19", der(0x30, der(0x01, b"\xff")) if is_ca else der(0x30), True), extension("2.5.29.15", der(0x03, b"\1\6"), True),
                      extension("2.5.29.14", der(0x04, hashlib.sha1(key.spki).digest()))]
        if parent:
            extensions.append(extension("2.5.29.35", der(0x30, der(0x80, hashlib.sha1(parent.key.spki).digest()))))
            if usage:
                extensions.append(extension("2.5.29.37", der(0x30, *map(oid, usage))))
        self.serial += 1
        tbs = tbs_certificate(key.spki, common_name, parent.common_name if parent else common_name, signer.algorithm(digest),
                              validity or (self.at - 86400, self.at + 10 * 365 * 86400), extensions, self.serial)
        return Authority(common_name, key, certify(tbs, signer, digest))

    def leaf(self, subject, issuer, key=None, at=None, authority=None, usage=(CODE_SIGNING,), logs=None, extra=(), digest="sha256", sct_for=None, scts=None,
             sct_extensions=b"", seconds=LEAF_SECONDS):
        """The certificate of a signer. subject: one name or a list of them (alt_name); logs: keys of CT logs, None: the one; sct_for: another TBS."""
        key, authority, at = key or self.leaf_key, authority or self.intermediate, self.at if at is None else at
        names = [subject] if isinstance(subject, str) else subject
        extensions = [extension("2.5.29.15", der(0x03, b"\7\x80"), True), extension("2.5.29.14", der(0x04, hashlib.sha1(key.spki).digest())),
                      extension("2.5.29.35", der(0x30, der(0x80, hashlib.sha1(authority.key.spki).digest())))]
        if usage:
            extensions.append(extension("2.5.29.37", der(0x30, *map(oid, usage))))
        if names:
            extensions.append(extension("2.5.29.17", der(0x30, *map(alt_name, names)), True))
        if issuer is not None:
            extensions += [extension(ISSUER_OID, issuer.encode()), extension(ISSUER_V2_OID, der(0x0C, issuer.encode()))]
        extensions += extra
        self.serial += 1
        tbs = lambda all_extensions: tbs_certificate(key.spki, "", authority.common_name, authority.key.algorithm(digest), (at, at + seconds), all_extensions, self.serial)
        logs = [self.ct_log] if logs is None else logs
        if scts is None:
            scts = [sct_of(sct_for or tbs(extensions), authority.key.spki, log, at * 1000, sct_extensions) for log in logs]
        if scts:
            extensions = extensions + [extension(SCT_OID, sct_list(scts) if isinstance(scts, list) else scts)]
        return certify(tbs(extensions), authority.key, digest)

    def write_trust(self, folder):
        folder = pathlib.Path(folder)
        (folder / "fulcio.pem").write_text(pem("CERTIFICATE", self.intermediate.certificate) + pem("CERTIFICATE", self.root.certificate))
        (folder / "rekor.pub").write_text(self.rekor.public_pem())
        (folder / "ctfe.pub").write_text(self.ct_log.public_pem())

    # Rekor.

    def entry(self, body, at=None, log=None, log_index=None):
        """What Rekor answers for a body: the entry with its signed timestamp."""
        log = log or self.rekor
        self.log_index += 1
        entry = {"body": b64(compact(body).encode()), "integratedTime": self.at + 5 if at is None else at, "logID": log.id,
                 "logIndex": self.log_index if log_index is None else log_index}
        return entry, b64(log.sign(compact(entry).encode()))

    def search_answer(self, entry, timestamp):
        """POST /api/v1/log/entries/retrieve for a tree of this one entry: the body of the answer."""
        leaf = hashlib.sha256(b"\0" + base64.b64decode(entry["body"])).hexdigest()
        proof = {"checkpoint": "", "hashes": [], "logIndex": 0, "rootHash": leaf, "treeSize": 1}
        return [{"108e9186e8c5677a" + leaf: entry | {"verification": {"inclusionProof": proof, "signedEntryTimestamp": timestamp}}}]

    def with_bundle(self, layer, body, **how):
        entry, timestamp = self.entry(body, **how)
        layer["annotations"][BUNDLE] = json.dumps({"SignedEntryTimestamp": timestamp, "Payload": entry})
        return layer

    # Layers.

    def layer(self, media_type, payload, signature, certificate):
        chain = pem("CERTIFICATE", self.intermediate.certificate) + pem("CERTIFICATE", self.root.certificate)
        return {"mediaType": media_type, "payload": payload, "annotations": {SIGNATURE: signature, CERTIFICATE: pem("CERTIFICATE", certificate), CHAIN: chain}}

    def sign(self, reference, digest, subject="uri:https://ci.example/build", issuer="https://issuer.example", key=None, certificate=None, bundle=True, kind="hashedrekord",
             payload=None, signature=None, **how):
        key = key or self.leaf_key
        certificate = certificate or self.leaf(subject, issuer, key)
        if payload is None:
            payload = compact({"critical": {"identity": {"docker-reference": reference}, "image": {"docker-manifest-digest": digest},
                                            "type": "cosign container image signature"}, "optional": None})
        signature = b64(key.sign(payload.encode())) if signature is None else signature
        layer = self.layer(SIMPLE_SIGNING, payload, signature, certificate)
        return self.with_bundle(layer, signature_body(kind, payload, signature, certificate), **how) if bundle else layer

    def attest(self, reference, digest, subject="uri:https://ci.example/build", issuer="https://issuer.example", key=None, certificate=None, bundle=True, kind="dsse",
               statement=None, envelope=None, payload_type=IN_TOTO, **how):
        key = key or self.leaf_key
        certificate = certificate or self.leaf(subject, issuer, key)
        if envelope is None:
            statement = compact({"_type": "https://in-toto.io/Statement/v0.1", "predicateType": "https://example/predicate", "predicate": {"built": True},
                                 "subject": [{"name": reference, "digest": {"sha256": digest.partition(":")[2]}}]}) if statement is None else statement
            signature = b64(key.sign(pre_authentication(payload_type, statement.encode())))
            envelope = json.dumps({"payloadType": payload_type, "payload": b64(statement.encode()), "signatures": [{"keyid": "", "sig": signature}]})
        layer = self.layer(DSSE, envelope, "", certificate)
        return self.with_bundle(layer, attestation_body(kind, envelope, certificate), **how) if bundle else layer


def pre_authentication(payload_type, payload):
    return b"DSSEv1 %d %s %d %s" % (len(payload_type), payload_type.encode(), len(payload), payload)


def signature_body(kind, payload, signature, certificate):
    """The canonical entry of a signature: hashedrekord or rekord."""
    key = {"content": b64(pem("CERTIFICATE", certificate).encode())}
    spec = {"signature": {"content": signature, "publicKey": key}, "data": {"hash": {"algorithm": "sha256", "value": sha256(payload.encode())}}}
    if kind == "rekord":
        spec["signature"]["format"] = "x509"
    return {"apiVersion": "0.0.1", "kind": kind, "spec": spec}


def attestation_body(kind, envelope, certificate):
    """The canonical entry of an attestation: dsse, intoto (0.0.1) or intoto2 (0.0.2)."""
    read = json.loads(envelope)
    verifier = b64(pem("CERTIFICATE", certificate).encode())
    digests = {name: {"algorithm": "sha256", "value": sha256(data)} for name, data in (("hash", envelope.encode()), ("payloadHash", base64.b64decode(read["payload"])))}
    if kind == "dsse":
        spec = {"envelopeHash": digests["hash"], "payloadHash": digests["payloadHash"], "signatures": [{"signature": s["sig"], "verifier": verifier} for s in read["signatures"]]}
        return {"apiVersion": "0.0.1", "kind": "dsse", "spec": spec}
    if kind == "intoto":
        return {"apiVersion": "0.0.1", "kind": "intoto", "spec": {"content": digests, "publicKey": verifier}}
    signatures = [{"publicKey": verifier, "sig": b64(s["sig"].encode())} for s in read["signatures"]]
    return {"apiVersion": "0.0.2", "kind": "intoto", "spec": {"content": digests | {"envelope": {"payloadType": read["payloadType"], "signatures": signatures}}}}


def tag_of(digest, suffix="sig"):
    return digest.replace(":", "-") + "." + suffix


def manifest_of(layers):
    """The manifest of a signature's tag as bytes, and the blobs that it names, by digest."""
    blobs = {f"sha256:{sha256(data)}": data for data in [b"{}"] + [layer["payload"].encode() for layer in layers]}
    described = [{"mediaType": layer["mediaType"], "size": len(layer["payload"].encode()), "digest": f"sha256:{sha256(layer['payload'].encode())}",
                  "annotations": layer["annotations"]} for layer in layers]
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "size": 2, "digest": f"sha256:{sha256(b'{}')}"}, "layers": described}
    return json.dumps(manifest).encode(), blobs
