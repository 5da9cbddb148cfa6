"""Envoy SDS v3 on the public socket, spoken by curl over HTTP/2."""
import struct
import subprocess
import unittest

from harness import Suite, TRUST_DOMAIN, grpc_call, wait_until

SERVICE = "/envoy.service.secret.v3.SecretDiscoveryService/"


def names(*wanted):
    return b"".join(b"\x1a" + bytes([len(name)]) + name.encode() for name in wanted)


class OpenStream:
    """StreamSecrets with one request, kept open; what has come so far."""

    def __init__(self, agent, message, folder):
        self.answer = folder / f"stream-{len(list(folder.glob('stream-*')))}"
        arguments = ["curl", "-sSN", "-X", "POST", "--http2-prior-knowledge", "--unix-socket", agent.socket, "-D", f"{self.answer}.trailers",
                     "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "expect:", "-T", ".", f"http://localhost{SERVICE}StreamSecrets"]
        with open(self.answer, "wb") as output:
            self.child = subprocess.Popen(list(map(str, arguments)), stdin=subprocess.PIPE, stdout=output, stderr=subprocess.DEVNULL)
        self.child.stdin.write(b"\0" + struct.pack(">I", len(message)) + message)
        self.child.stdin.flush()

    def received(self):
        return self.answer.read_bytes()

    def trailers(self):
        path = self.answer.with_name(self.answer.name + ".trailers")
        return path.read_bytes() if path.exists() else b""

    def stop(self):
        self.child.kill()
        self.child.wait()
        self.child.stdin.close()


class Sds(Suite):
    def call(self, agent, method, message):
        return grpc_call(agent.socket, SERVICE + method, message, self.home)

    def test_secrets(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        everything = self.call(agent, "FetchSecrets", b"")
        for part in (b"-----BEGIN PRIVATE KEY-----", f"spiffe://{TRUST_DOMAIN}/workload".encode(), b"envoy.tls.cert_validator.spiffe", b"grpc-status: 0"):
            self.assertIn(part, everything)
        stream = self.call(agent, "StreamSecrets", names("default"))
        self.assertIn(b"\n\x011\x12", stream)  # version 1
        self.assertIn(b"-----BEGIN CERTIFICATE-----", stream)
        self.assertIn(b"grpc-status: 0", stream)

    def test_bad_requests(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        for method, message, status, text in (
                ("StreamSecrets", names("nope"), 3, b'workload is not authorized for the requested identities ["nope"]'),
                ("StreamSecrets", b"\xff\xff\xff", 13, b"grpc: failed to unmarshal the received message"),
                ("FetchSecrets", b"\xff", 13, b"grpc: error unmarshalling request"),
                ("FetchSecrets", b"\x1a\x01x" * 100000, 3, b'requested identities ["x"]'),
                ("DeltaSecrets", None, 12, b"Method is not implemented")):
            answer = self.call(agent, method, message)
            self.assertIn(b"grpc-status: %d\r\n" % status, answer)
            self.assertIn(text, answer)

    def test_a_removed_entry_is_no_longer_served(self):
        server, agent = self.running_pair()
        entry = server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        self.assertIn(b"PRIVATE KEY", self.call(agent, "FetchSecrets", names("default")))
        server.command("entry delete", "-entryID", entry)
        wait_until(lambda: b'requested identities ["default"]' in self.call(agent, "FetchSecrets", names("default")), 10, "still served")
        self.assertIn(b"grpc-status: 0", self.call(agent, "FetchSecrets", names("ROOTCA")))

    def test_federated_bundles_follow_set_rotation_and_deletion(self):
        server, agent = self.running_pair()
        other = self.server("other", trust_domain="other.test").start()
        pem = other.command("bundle show").stdout.encode()
        server.take_bundle(other)
        server.create_entry("/workload", "-federatesWith", "spiffe://other.test")
        own, foreign = f"spiffe://{TRUST_DOMAIN}", "spiffe://other.test"
        wait_until(lambda: pem in self.call(agent, "FetchSecrets", names(foreign)), 20, lambda: agent.process.log()[-3000:])
        everywhere = self.call(agent, "FetchSecrets", names("ALL"))
        self.assertIn(b"envoy.tls.cert_validator.spiffe", everywhere)
        for part in (b"other.test", TRUST_DOMAIN.encode(), pem):
            self.assertIn(part, everywhere)
        streams = {name: self.keep(OpenStream(agent, names(name), self.home)) for name in (foreign, own, "ALL")}
        for name in (foreign, "ALL"):
            wait_until(lambda: pem in streams[name].received(), 20, lambda: streams[name].received())
        # A rotation abroad is pushed to who asked for that bundle, once its server has it here.
        other.command("x509 rotate")
        rotated = other.command("bundle show").stdout.encode()
        self.assertEqual(rotated.count(b"BEGIN CERTIFICATE"), 2)
        server.take_bundle(other)
        newest = rotated.replace(pem, b"")
        wait_until(lambda: newest in self.call(agent, "FetchSecrets", names(foreign)), 20, "the rotated bundle is not served")
        for name in (foreign, "ALL"):
            wait_until(lambda: newest in streams[name].received(), 20, lambda: streams[name].received())
        # Without the relationship there is no such bundle: a stream that names it ends, the others go on.
        server.command("bundle delete", "-id", foreign, "-mode", "dissociate")
        refused = b'workload is not authorized for the requested identities ["spiffe://other.test"]'
        wait_until(lambda: refused in self.call(agent, "FetchSecrets", names(foreign)), 20, "still served")
        wait_until(lambda: b"grpc-status: 3" in streams[foreign].trailers(), 20, streams[foreign].trailers)
        self.assertNotIn(newest, self.call(agent, "FetchSecrets", names("ALL")))
        self.assertIn(b"grpc-status: 0", self.call(agent, "FetchSecrets", names(own)))
        self.assertIsNone(streams[own].child.poll())


if __name__ == "__main__":
    unittest.main()
