"""A workload in Python, on spiffe and spiffe-tls. See tests/clients/README.md for what each command prints."""
import json
import queue
import signal
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import ExtensionOID
from OpenSSL import SSL, crypto
from spiffe import JwtSvid, SpiffeId, WorkloadApiClient, X509Source
from spiffetls import ListenOptions, ServerTlsMode, dial, listen
from spiffetls.errors import TLSConnectionError
from spiffetls.tlsconfig.authorize import authorize_id, authorize_one_of

CALL_TIMEOUT = 30.0
USAGE = "usage: client.py fetch | watch [N] | jwt AUDIENCE | validate AUDIENCE TOKEN | verify AUDIENCE TOKEN | serve ID... | dial ID@ADDRESS..."


def show(**line):
    print(json.dumps(line), flush=True)


def check(context):
    """Verifies chain and key of the default SVID and tells what it is."""
    svid = context.default_svid
    store = crypto.X509Store()
    for authority in context.x509_bundle_set.get_bundle_for_trust_domain(svid.spiffe_id.trust_domain).x509_authorities:
        store.add_cert(crypto.X509.from_cryptography(authority))
    chain = [crypto.X509.from_cryptography(certificate) for certificate in svid.cert_chain]
    crypto.X509StoreContext(store, chain[0], chain[1:]).verify_certificate()
    encoding = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    if svid.private_key.public_key().public_bytes(*encoding) != svid.leaf.public_key().public_bytes(*encoding):
        raise ValueError("the private key does not belong to the certificate")
    return {"spiffe_id": str(svid.spiffe_id), "serial": f"{svid.leaf.serial_number:x}",
            "trust_domains": sorted(bundle.trust_domain.name for bundle in context.x509_bundle_set.bundles)}


def fetch():
    with WorkloadApiClient(default_timeout=CALL_TIMEOUT) as client:
        show(**check(client.fetch_x509_context()))


def watch(count="0"):
    news = queue.Queue()
    signal.signal(signal.SIGTERM, lambda *_: news.put(None))
    with WorkloadApiClient() as client:
        handle = client.stream_x509_contexts(news.put, lambda error: print(error, file=sys.stderr, flush=True))
        left = int(count)
        while (context := news.get()) is not None:
            show(**check(context))
            left -= 1
            if left == 0:
                break
        handle.cancel()


def jwt(audience):
    with WorkloadApiClient(default_timeout=CALL_TIMEOUT) as client:
        svid = client.fetch_jwt_svid({audience})
        show(spiffe_id=str(svid.spiffe_id), token=svid.token)


def validate(audience, token):
    with WorkloadApiClient(default_timeout=CALL_TIMEOUT) as client:
        show(spiffe_id=str(client.validate_jwt_svid(token, audience).spiffe_id))


def verify(audience, token):
    with WorkloadApiClient(default_timeout=CALL_TIMEOUT) as client:
        bundles = client.fetch_jwt_bundles()
    domain = JwtSvid.parse_insecure(token, {audience}).spiffe_id.trust_domain
    bundle = bundles.get_bundle_for_trust_domain(domain)
    if bundle is None:
        raise ValueError(f"no JWT bundle of {domain}")
    svid = JwtSvid.parse_and_validate(token, bundle, {audience})
    show(spiffe_id=str(svid.spiffe_id), trust_domains=sorted(one.trust_domain.name for one in bundles.bundles))


def peer_id(connection):
    names = connection.get_peer_certificate().to_cryptography().extensions.get_extension_for_oid(ExtensionOID.SUBJECT_ALTERNATIVE_NAME)
    return names.value.get_values_for_type(x509.UniformResourceIdentifier)[0]


def read_line(connection):
    line = b""
    while not line.endswith(b"\n"):
        line += connection.recv(1000)
    return line.decode().strip()


def answer(connection):
    try:
        connection.do_handshake()
        read_line(connection)
        peer = peer_id(connection)
        connection.sendall(f"hello {peer}\n".encode())
        show(peer=peer)
        connection.shutdown()
    except (SSL.Error, OSError) as error:
        show(refused=repr(error))
    finally:
        connection.close()


def serve(*allowed):
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with X509Source(timeout_in_seconds=CALL_TIMEOUT) as source:
        options = ListenOptions(tls_mode=ServerTlsMode.MTLS, authorize_fn=authorize_one_of({SpiffeId(one) for one in allowed}), backlog=50)
        listener = listen("127.0.0.1:0", source, options)
        show(port=listener.getsockname()[1])
        while True:
            connection, _ = listener.accept()
            threading.Thread(target=answer, args=(connection,), daemon=True).start()


def dial_one(source, expected, address):
    try:
        connection = dial(address, source, authorize_fn=authorize_id(SpiffeId(expected)))
        try:
            connection.sendall(b"hello\n")
            return {"peer": peer_id(connection), "answer": read_line(connection)}
        finally:
            connection.close()
    except (TLSConnectionError, SSL.Error, OSError) as error:
        return {"refused": repr(error)}


def dial_all(*targets):
    with X509Source(timeout_in_seconds=CALL_TIMEOUT) as source:
        for target in targets:
            show(target=target, **dial_one(source, *target.split("@")))


COMMANDS = {"fetch": fetch, "watch": watch, "jwt": jwt, "validate": validate, "verify": verify, "serve": serve, "dial": dial_all}

if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] not in COMMANDS:
        sys.exit(USAGE)
    try:
        COMMANDS[sys.argv[1]](*sys.argv[2:])
    except Exception as error:  # what a user of the library would be shown
        show(error=str(error))
        sys.exit(1)
