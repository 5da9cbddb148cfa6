"""Wrong configuration, damaged files, full disks, hostile local callers, a server that is not the server."""
import errno
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import time
import unittest

from harness import AGENT_KIND, BIN, PATIENCE, Agent, Suite, free_port, wait_until

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0"


@unittest.skipIf(AGENT_KIND == "stock", "Steeple's own answers")
class Configuration(Suite):
    def run_with(self, text, *flags, environment=None):
        (self.home / "agent.conf").write_text(text)
        inherited = {name: value for name, value in os.environ.items() if name != "STEEPLE_IO_BACKEND"}
        return subprocess.run([BIN / "steeple-agent", "run", "-config", self.home / "agent.conf", *flags], capture_output=True, text=True, timeout=20,
                              env={**inherited, **(environment or {})})

    def good(self, extra=""):
        return f'''agent {{ data_dir = "{self.home}/data" server_address = "127.0.0.1" server_port = 1 trust_domain = "example.org" insecure_bootstrap = true
            socket_path = "{self.home}/s/api.sock" {extra} }}
            plugins {{ NodeAttestor "join_token" {{ plugin_data {{}} }} KeyManager "memory" {{ plugin_data {{}} }} WorkloadAttestor "unix" {{ plugin_data {{}} }} }}'''

    def test_errors_name_file_and_position_and_nothing_is_bound(self):
        done = self.run_with(self.good() + "\nagent { data_dir = }")
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stderr, rf'unable to decode configuration at "{self.home}/agent.conf": At \d+:\d+: ')
        self.assertEqual(sorted(path.name for path in self.home.iterdir()), ["agent.conf"])

    def test_misspelt_keys_are_refused_by_name(self):
        done = self.run_with(self.good('trust_domian = "x"'))
        self.assertEqual(done.returncode, 1)
        self.assertIn("unknown configuration detected", done.stderr)
        self.assertIn("trust_domian", done.stdout)

    def test_known_keys_that_are_not_there_yet_are_refused_by_name(self):
        for extra, name in (("experimental { require_pq_kem = true }", "require_pq_kem"), ("experimental { broker {} }", "broker")):
            done = self.run_with(self.good(extra))
            self.assertEqual(done.returncode, 1, extra)
            self.assertIn(name, done.stderr)

    def test_unknown_backend_is_refused(self):
        for done in (self.run_with(self.good('io_backend = "kqueue"')), self.run_with(self.good(), environment={"STEEPLE_IO_BACKEND": "kqueue"})):
            self.assertEqual(done.returncode, 1)
            self.assertRegex(done.stderr, "io_backend|STEEPLE_IO_BACKEND")

    def test_unknown_plugin_is_refused_by_name(self):
        done = self.run_with(self.good().replace('"unix"', '"k9s"'))
        self.assertEqual(done.returncode, 1)
        self.assertIn("k9s", done.stdout + done.stderr)


class DamagedFiles(Suite):
    @unittest.skipIf(AGENT_KIND == "stock", "upstream ends instead")
    def test_damaged_files_are_kept_aside_and_the_agent_attests_anew(self):
        for name in ("agent-data.json", "keys.json"):
            server, agent = self.running_pair() if name == "agent-data.json" else (server, agent)
            server.create_entry(f"/after-{name.split('.')[0]}")
            agent.stop()
            path = agent.home / "data" / name
            path.write_text("{ this is not JSON")
            agent.start("-joinToken", server.token())
            wait_until(lambda: agent.spiffe_ids(), 15, lambda: agent.process.log()[-3000:])
            aside = [entry for entry in (agent.home / "data").iterdir() if entry.name.startswith(name) and entry.name != name]
            self.assertEqual([entry.read_text() for entry in aside], ["{ this is not JSON"], name)

    @unittest.skipIf(AGENT_KIND == "stock", "upstream loses its SVID and ends")
    @unittest.skipIf(os.getuid() != 0, "mounts a file system")
    def test_a_full_disk_is_logged_and_survived(self):
        server = self.server(agent_ttl="20s").start()
        agent = self.agent(server)
        data = agent.home / "data"
        data.mkdir(parents=True)
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", data], check=True)
        self.addCleanup(subprocess.run, ["umount", "-l", data], check=True)
        agent.start("-joinToken", server.token())
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        stored = (data / "agent-data.json").read_text()
        ballast = os.open(data / "ballast", os.O_WRONLY | os.O_CREAT)
        self.addCleanup(os.close, ballast)
        try:
            while True:
                os.write(ballast, b"x" * 4096)
        except OSError as error:
            self.assertEqual(error.errno, errno.ENOSPC)
        wait_until(lambda: re.search("no space left on device", agent.process.log(), re.I), 40, lambda: agent.process.log()[-3000:])
        agent.wait_for_ids(["/workload"])
        self.assertEqual((data / "agent-data.json").read_text(), stored)


class WrongServer(Suite):
    def test_a_server_under_another_authority_is_refused(self):
        wrong = self.server("wrong").start()
        right = self.server("right").start()
        agent = self.agent(wrong)
        right.bundle(agent.home / "bundle.pem")
        agent.launch("-joinToken", wrong.token())
        wait_until(lambda: "certificate signed by unknown authority" in agent.process.log(), 20, lambda: agent.process.log()[-3000:])
        self.assertIn('desc = \\"transport: authentication handshake failed: x509svid: could not verify leaf certificate: x509: ', agent.process.log())
        self.assertNotIn("Node attestation was successful", agent.process.log())

    def test_an_empty_trust_bundle_is_refused(self):
        server = self.server().start()
        agent = self.agent(server)
        (agent.home / "bundle.pem").write_text("")
        agent.launch("-joinToken", server.token())
        wait_until(lambda: "no certificates found in trust bundle" in agent.process.log() or "no PEM blocks" in agent.process.log(), 20,
                   lambda: agent.process.log()[-3000:])

    def test_garbage_from_the_server_is_survived(self):
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(8)
            listener.settimeout(20)
            agent = Agent(self.home / "agent", None, insecure_bootstrap=True, trust_bundle_path=None, server_port=listener.getsockname()[1])
            self.keep(agent).launch("-joinToken", "no-such-token")
            connection, _ = listener.accept()
            with connection:
                connection.sendall(os.urandom(4096))
            wait_until(lambda: "Failed to retrieve attestation result" in agent.process.log(), 20, lambda: agent.process.log()[-3000:])
            self.assertTrue(agent.process.running())


class HostileCallers(Suite):
    def connect(self, agent):
        client = socket.socket(socket.AF_UNIX)
        client.settimeout(20)
        client.connect(str(agent.socket))
        return client

    def test_garbage_is_closed_and_nobody_else_notices(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        for junk in (b"GET / HTTP/1.1\r\n\r\n", os.urandom(10000), PREFACE + os.urandom(10000), PREFACE + b"\xff\xff\xff\x01\x25\0\0\0\1"):
            with self.connect(agent) as client:
                try:
                    client.sendall(junk)
                    client.shutdown(socket.SHUT_WR)
                    while client.recv(65536):
                        pass
                except ConnectionError:
                    pass
            self.assertEqual(agent.spiffe_ids(), ["spiffe://example.org/workload"])

    @unittest.skipIf(AGENT_KIND == "stock", "checks Steeple's bounds")
    def test_ten_thousand_connections_and_callers_that_never_read(self):
        import resource
        resource.setrlimit(resource.RLIMIT_NOFILE, (60000, 60000) if resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 60000 else (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        clients = []
        for _ in range(10000):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            while True:
                try:
                    client.connect(str(agent.socket))
                    break
                except BlockingIOError:
                    time.sleep(0.001)
            try:
                client.send(PREFACE)  # and never a read
            except OSError:
                pass
            clients.append(client)
        began = time.monotonic()
        code, answer, error = agent.fetch()
        self.assertEqual(code, 0, error)
        self.assertLess(time.monotonic() - began, 5 * PATIENCE)
        for client in clients:
            client.close()
        agent.wait_for_ids(["/workload"])

    def test_callers_that_leave_at_once(self):
        server, agent = self.running_pair()
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        for _ in range(2000):
            with self.connect(agent) as client:
                client.sendall(PREFACE)
        self.assertEqual(agent.spiffe_ids(), ["spiffe://example.org/workload"])
        descriptors = lambda: len(os.listdir(f"/proc/{agent.process.pid}/fd"))
        wait_until(lambda: descriptors() < 100, 10, lambda: f"{descriptors()} descriptors are open")


if __name__ == "__main__":
    unittest.main(verbosity=2)
