"""Requests that no honest client sends, on every method of both sockets: a clear status, bounded cost, and nobody else notices."""
import random
import socket
import struct
import subprocess
import unittest

from harness import AGENT_KIND, PATIENCE, SANITIZER_KEEPS_KIB, TRUST_DOMAIN, Suite, cpu_seconds, resident_kib

WORKLOAD = [f"/SpiffeWorkloadAPI/{name}" for name in ("FetchX509SVID", "FetchX509Bundles", "FetchJWTSVID", "FetchJWTBundles", "ValidateJWTSVID")]
SDS = [f"/envoy.service.secret.v3.SecretDiscoveryService/{name}" for name in ("StreamSecrets", "FetchSecrets")]
OTHERS = ["/grpc.health.v1.Health/Check", *(f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo" for version in ("v1", "v1alpha"))]
DELEGATED = [f"/spire.api.agent.delegatedidentity.v1.DelegatedIdentity/{name}"
             for name in ("SubscribeToX509SVIDs", "SubscribeToX509Bundles", "FetchJWTSVIDs", "SubscribeToJWTBundles")]
ADMIN = [*DELEGATED, "/spire.agent.debug.v1.Debug/GetInfo", *(f"/spire.api.agent.logger.v1.Logger/{name}" for name in ("GetLogger", "SetLogLevel", "ResetLogLevel"))]
UNARY = {WORKLOAD[2], WORKLOAD[4], SDS[1], OTHERS[0], DELEGATED[2], *ADMIN[4:]}
BIDIRECTIONAL = {SDS[0], *OTHERS[1:]}
SIZE_MAX = 4 * 1024 * 1024
HEADERS, DATA, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 1, 0, 3, 4, 6, 7, 8
END_STREAM, END_HEADERS = 1, 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload


class RawClient:
    """HTTP/2 by hand: the frames that are sent, and those that come."""

    def __init__(self, path, settings=b""):
        self.stream = socket.socket(socket.AF_UNIX)
        self.stream.settimeout(20 * PATIENCE)
        self.stream.connect(str(path))
        self.buffer = b""
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, settings))

    def send(self, data):
        self.stream.sendall(data)

    def call(self, number, path, message=b""):
        """The frames of one call on stream `number`."""
        fields = ((":method", "POST"), (":scheme", "http"), (":authority", "localhost"), (":path", path), ("content-type", "application/grpc"),
                  ("te", "trailers"), ("workload.spiffe.io", "true"))
        block = b"".join(b"\0" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode() for name, value in fields)
        return frame(HEADERS, END_HEADERS, number, block) + frame(DATA, END_STREAM, number, b"\0" + struct.pack(">I", len(message)) + message)

    def next(self):
        """(kind, flags, stream, payload), or None once the connection is closed."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                got = self.stream.recv(65536)
            except ConnectionError:
                return None
            if not got:
                return None
            self.buffer += got
        size = 9 + int.from_bytes(self.buffer[:3], "big")
        one, self.buffer = self.buffer[:size], self.buffer[size:]
        kind, flags = one[3], one[4]
        if kind == SETTINGS and not flags & 1:
            self.send(frame(SETTINGS, 1, 0))
        return kind, flags, int.from_bytes(one[5:9], "big"), one[9:]

    def next_of(self, *kinds):
        while (one := self.next()) is not None and one[0] not in kinds:
            pass
        return one

    def stop(self):
        self.stream.close()


class HostileRequests(Suite):
    def setUp(self):
        super().setUp()
        self.admin = self.home / "private" / "admin.sock"
        server, self.served = self.running_pair(admin_socket_path=self.admin, authorized_delegates=[f"spiffe://{TRUST_DOMAIN}/workload"])
        server.create_entry("/workload")
        self.served.wait_for_ids(["/workload"], seconds=20)

    def unaffected(self):
        self.assertEqual(self.served.spiffe_ids(), [f"spiffe://{TRUST_DOMAIN}/workload"])

    def ask(self, path, body):
        """Headers and trailers of the answer to these bytes; of a stream, what came in 2 s."""
        file = self.home / "request"
        file.write_bytes(body)
        target = self.admin if path in ADMIN else self.served.socket
        for _ in range(50):
            done = subprocess.run(["curl", "-sS", "--max-time", str(2 * PATIENCE), "--http2-prior-knowledge", "--unix-socket", target, "-D", "-", "-H", "expect:",
                                   "-H", "content-type: application/grpc", "-H", "te: trailers", "-H", "workload.spiffe.io: true", "--data-binary", f"@{file}",
                                   f"http://localhost{path}"], capture_output=True)
            if done.returncode != 92:  # the answer came before curl had ended its request: nothing of the server's
                return done.stdout
        return done.stdout

    def test_garbage_in_place_of_a_message(self):
        noise = random.Random(7)
        for path in (*WORKLOAD, *SDS, *OTHERS, *ADMIN):
            for message in (b"\xff", b"\x0a\xff\xff\xff\xff\x0f", b"\x0b" * 200, b"\xff" + noise.randbytes(4096)):
                answer = self.ask(path, b"\0" + struct.pack(">I", len(message)) + message)
                with self.subTest(path=path, message=message[:8]):
                    self.assertRegex(answer, rb"grpc-status: 13\r\ngrpc-message: grpc: (error unmarshalling request|failed to unmarshal the received message)")
        self.unaffected()

    def test_sizes_that_are_not_true_or_too_large(self):
        before = resident_kib(self.served.process.pid)
        for path in (*WORKLOAD, *SDS, *OTHERS, *ADMIN):
            with self.subTest(path=path):
                too_large = self.ask(path, b"\0" + struct.pack(">I", SIZE_MAX + 1) + bytes(64))
                self.assertRegex(too_large, rb"grpc-status: 8\r\ngrpc-message: grpc: received message larger than max \(4194305 vs. 4194304\)")
                cut = self.ask(path, b"\0" + struct.pack(">I", 1000) + bytes(10))
                self.assertIn(b"grpc-status: %d\r\ngrpc-message: unexpected EOF\r\n" % (2 if path in UNARY else 13), cut)
                cut_prefix = self.ask(path, b"\0\0\0")
                if path in UNARY:
                    self.assertIn(b"grpc-status: 2\r\ngrpc-message: EOF\r\n", cut_prefix)
                elif path in BIDIRECTIONAL:
                    self.assertIn(b"grpc-status: 0\r\n", cut_prefix)
                else:
                    self.assertIn(b"grpc-status: 13\r\ngrpc-message: cardinality violation: received no request message from non-client-streaming RPC\r\n", cut_prefix)
                whole = self.ask(path, b"\0" + struct.pack(">I", SIZE_MAX) + b"\xff" * SIZE_MAX)
                self.assertRegex(whole, rb"grpc-status: 13\r\n")
                compressed = self.ask(path, b"\1" + struct.pack(">I", 4) + b"\0\0\0\0")
                self.assertIn(b"grpc-status: 13\r\ngrpc-message: grpc: compressed flag set with identity or empty encoding\r\n", compressed)
                unknown = self.ask(path, b"\7" + struct.pack(">I", 4) + bytes(4))
                self.assertIn(b"grpc-status: 13\r\ngrpc-message: grpc: received unexpected payload format 7\r\n", unknown)
        self.unaffected()
        if AGENT_KIND == "steeple":
            self.assertLess(resident_kib(self.served.process.pid) - before, 64 * 1024 + SANITIZER_KEEPS_KIB)

    def test_delegates_that_ask_for_nonsense(self):
        def wire(number, data):
            return bytes([number << 3 | 2, len(data)]) + data
        for message, text in ((b"", "must provide either selectors or non-zero PID, but not both"),
                              (wire(1, wire(1, b"unix") + wire(2, b"uid:1")) + b"\x10\x01", "must provide either selectors or non-zero PID, but not both"),
                              (wire(1, wire(2, b"uid:1")), "could not parse provided selectors"),
                              (wire(1, wire(1, b"unix")), "could not parse provided selectors"),
                              (wire(1, wire(1, b"unix:uid") + wire(2, b"1")), "could not parse provided selectors")):
            answer = self.ask(DELEGATED[0], b"\0" + struct.pack(">I", len(message)) + message).decode(errors="replace")
            self.assertIn(f"grpc-status: 3\r\ngrpc-message: {text}\r\n", answer)
        self.unaffected()

    def test_a_window_of_one_byte(self):
        client = self.keep(RawClient(self.served.socket, struct.pack(">HI", 4, 1)))
        client.send(client.call(1, WORKLOAD[0]))
        spent = cpu_seconds(self.served.process.pid)
        for _ in range(200):
            kind, _, stream, payload = client.next_of(DATA, GOAWAY)
            self.assertEqual((kind, stream, len(payload)), (DATA, 1, 1))
            client.send(frame(WINDOW_UPDATE, 0, 1, struct.pack(">I", 1)))
        self.unaffected()
        self.assertLess(cpu_seconds(self.served.process.pid) - spent, 5 * PATIENCE)

    def test_calls_that_are_cancelled_at_once(self):
        spent = cpu_seconds(self.served.process.pid)
        for path in (WORKLOAD[0], WORKLOAD[2], SDS[1], OTHERS[1]):
            client = RawClient(self.served.socket)
            try:
                for number in range(1, 2001, 2):
                    client.send(client.call(number, path) + frame(RST_STREAM, 0, number, struct.pack(">I", 8)))
                client.send(frame(PING, 0, 0, b"12345678"))
                client.next_of(PING, GOAWAY)  # served on, or told to stop
            except ConnectionError:
                pass
            client.stop()
            self.unaffected()
        self.assertLess(cpu_seconds(self.served.process.pid) - spent, 10 * PATIENCE)

    @unittest.skipIf(AGENT_KIND == "stock", "checks Steeple's bounds: the stock agent is seen to stop serving others for a while")
    def test_ten_thousand_streams_on_one_connection(self):
        before = resident_kib(self.served.process.pid)
        client = RawClient(self.served.socket)
        try:
            for number in range(1, 20001, 2):
                client.send(client.call(number, WORKLOAD[1]))
                if number % 200 == 1:
                    self.assertTrue(self.served.process.running())
                client.stream.setblocking(False)
                try:
                    while client.stream.recv(1 << 20):
                        pass
                except BlockingIOError:
                    pass
                client.stream.settimeout(20 * PATIENCE)
        except ConnectionError:
            pass
        self.unaffected()
        self.assertLess(resident_kib(self.served.process.pid) - before, 128 * 1024 + SANITIZER_KEEPS_KIB)
        client.stop()
        self.unaffected()


if __name__ == "__main__":
    unittest.main(verbosity=2)
