"""Envoy SDS v3 on the public socket, spoken by curl over HTTP/2."""
import unittest

from harness import Suite, TRUST_DOMAIN, grpc_call, wait_until

SERVICE = "/envoy.service.secret.v3.SecretDiscoveryService/"


def names(*wanted):
    return b"".join(b"\x1a" + bytes([len(name)]) + name.encode() for name in wanted)


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


if __name__ == "__main__":
    unittest.main()
