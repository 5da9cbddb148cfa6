"""`telemetry {}`: the Prometheus page, and what StatsD and DogStatsD receive, of a serving agent."""
import http.client
import os
import re
import signal
import socket
import ssl
import subprocess
import time
import unittest

from harness import PATIENCE, Suite, free_port, wait_until


def scrape(port, path="/metrics"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.getheader("Content-Type"), answer.read().decode()
    except ConnectionRefusedError:
        return None, None, ""
    finally:
        connection.close()


def value(page, pattern):
    found = re.search(rf"^{pattern} (\S+)$", page, re.M)
    return float(found.group(1)) if found else None


class Receiver:
    def __init__(self, path=None):
        self.socket = socket.socket(socket.AF_UNIX if path else socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(path or ("127.0.0.1", 0))
        self.socket.settimeout(0.05)
        self.text = ""
        self.largest = 0

    @property
    def address(self):
        return "127.0.0.1:%d" % self.socket.getsockname()[1]

    def has(self, pattern):
        try:
            while True:
                datagram = self.socket.recv(65536)
                self.largest = max(self.largest, len(datagram))
                self.text += datagram.decode()
        except TimeoutError:
            return re.search(pattern, self.text, re.M)

    def stop(self):
        self.socket.close()


class Telemetry(Suite):
    def test_prometheus_counts_what_is_served(self):
        port = free_port()
        server, agent = self.running_pair(blocks=f"telemetry {{ Prometheus {{ port = {port} }} }}")
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        host = re.escape(socket.gethostname())
        fetched = rf'spire_agent_rpc_workload_api_fetch_x509svid{{host="{host}",status="OK"}}'
        page = lambda: scrape(port)[2]
        wait_until(lambda: value(page(), fetched), 20, page)
        before = value(page(), fetched)
        for _ in range(3):
            self.assertEqual(agent.fetch()[0], 0)
        wait_until(lambda: value(page(), fetched) == before + 3, 20, page)
        status, kind, text = scrape(port, "/anything")
        self.assertEqual((status, kind), (200, "text/plain; version=0.0.4; charset=utf-8; escaping=underscores"))
        self.assertIn("# TYPE spire_agent_rpc_workload_api_fetch_x509svid_elapsed_time summary", text)
        self.assertEqual(value(text, rf'spire_agent_started{{host="{host}",trust_domain_id="example_org",version="\S+"}}'), 1)
        self.assertEqual(value(text, rf'spire_agent_workload_api_connections{{host="{host}"}}'), 0)
        self.assertGreater(value(text, "process_resident_memory_bytes"), 1e6)
        allocated = value(text, rf'spire_agent_runtime_alloc_bytes{{host="{host}"}}')
        self.assertGreater(allocated, 1e5 if PATIENCE == 1 else -1)  # a sanitizer's heap is not the C library's, which is counted
        self.assertIsNotNone(re.search(r'^steeple_io_backend{backend="(io_uring|epoll)"', text, re.M))
        wait_until(lambda: value(page(), rf'spire_agent_lru_cache_svid_map_size{{host="{host}"}}') == 2, 20, page)
        for name, labels in (("workload_api_workload_attestation", f'host="{host}",status="OK"'),
                             ("workload_api_workload_attestor", f'attestor="unix",host="{host}",status="OK"'),
                             ("manager_sync_fetch_entries_updates", f'host="{host}",status="OK"'),
                             ("manager_sync_fetch_svids_updates", f'host="{host}",status="OK"')):
            self.assertGreaterEqual(value(page(), rf"spire_agent_{name}{{{labels}}}"), 1, name)
            self.assertGreater(value(page(), rf"spire_agent_{name}_elapsed_time_sum{{{labels}}}"), 0, name)
        self.assertEqual(value(page(), rf'spire_agent_sync_entries_total{{host="{host}"}}'), 2)
        for stage in ("accept", "attest", "match", "sign", "first_byte"):
            self.assertGreaterEqual(value(page(), rf'steeple_first_svid_stage_seconds_count{{host="{host}",stage="{stage}"}}'), 3, stage)
        for name in ("nearest_svid", "agent_svid"):
            self.assertTrue(0 < value(page(), rf'steeple_{name}_expiry_seconds{{host="{host}"}}') <= 3600, name)
        self.assertEqual(agent.stop(), 0)

    def test_denials_and_filters(self):
        port = free_port()
        blocks = f'''telemetry {{ Prometheus {{ port = {port} }} MetricPrefix = "mine" EnableHostnameLabel = false
            BlockedPrefixes = ["mine.runtime"] }}'''
        _, agent = self.running_pair(blocks=blocks)
        self.assertEqual(agent.fetch()[0], 1)
        page = lambda: scrape(port)[2]
        wait_until(lambda: value(page(), 'mine_rpc_workload_api_fetch_x509svid{status="PermissionDenied"}') == 1, 20, page)
        self.assertEqual(value(page(), "steeple_callers_without_entry"), 1)
        self.assertNotIn("mine_runtime", page())
        self.assertIn("mine_uptime_in_ms ", page())

    def test_statsd_and_dogstatsd_receive_datagrams(self):
        plain, dog = self.keep(Receiver()), self.keep(Receiver())
        blocks = f'telemetry {{ Statsd = [{{ address = "{plain.address}" }}] DogStatsd = [{{ address = "{dog.address}" }}] }}'
        server, agent = self.running_pair(blocks=blocks)
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        host = re.escape(socket.gethostname())
        for receiver, pattern in ((plain, rf"^spire_agent\.rpc\.workload_api\.fetch_x509svid\.OK\.{host}:1\.000000\|c$"),
                                  (plain, rf"^spire_agent\.uptime_in_ms\.{host}:\d+\.\d{{6}}\|g$"),
                                  (dog, rf"^spire_agent\.rpc\.workload_api\.fetch_x509svid:1\|c\|#status:OK,host:{host}$"),
                                  (dog, rf"^spire_agent\.started:1\|g\|#version:\w+,trust_domain_id:example_org,host:{host}$")):
            wait_until(lambda: receiver.has(pattern), 30, lambda: f"{pattern}\n{receiver.text[-2000:]}")
            self.assertLessEqual(receiver.largest, 1400)

    def test_dogstatsd_over_a_unix_socket_that_comes_and_goes(self):
        path = str(self.home / "dog.sock")
        _, agent = self.running_pair(blocks=f'telemetry {{ DogStatsd = [{{ address = "unix://{path}" }}] }}')
        wait_until(lambda: "Error connecting to statsd" in agent.process.log(), 20, lambda: agent.process.log()[-3000:])
        self.assertIn("connect: no such file or directory", agent.process.log())
        for _ in range(2):
            receiver = self.keep(Receiver(path))
            wait_until(lambda: receiver.has(r"^spire_agent\.runtime\.num_goroutines:\d+\|g\|#host:\S+$"), 30,
                       lambda: receiver.text[-2000:])
            self.assertLessEqual(receiver.largest, 8192)
            receiver.stop()
            os.unlink(path)
        self.assertTrue(agent.healthy())

    def test_what_is_in_memory_is_written_on_a_signal(self):
        server, agent = self.running_pair(blocks="telemetry { InMem {} }")
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"])
        host = re.escape(socket.gethostname())
        for name in (rf"\[C\] 'spire_agent\.rpc\.workload_api\.fetch_x509svid\.OK\.{host}': Count: \d+ Sum: \d+\.000 LastUpdated: ",
                     rf"\[S\] 'spire_agent\.rpc\.workload_api\.fetch_x509svid\.elapsed_time\.OK\.{host}': Count: ",
                     rf"\[G\] 'spire_agent\.runtime\.num_goroutines\.{host}': \d+\.000"):
            line = rf'level=info msg="\[\d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d \+0000 UTC\]{name}.*subsystem_name=telemetry'

            def written():
                agent.process.child.send_signal(signal.SIGUSR1)
                time.sleep(0.5)
                return re.search(line, agent.process.log())
            wait_until(written, 30, lambda: f"{line}\n{agent.process.log()[-3000:]}")
        self.assertTrue(agent.healthy())

    def test_what_is_in_memory_is_written_before_the_agent_is_ready(self):
        server = self.server().start()
        agent = self.agent(server, blocks="telemetry { InMem {} }")
        server.bundle(agent.home / "bundle.pem")
        token = server.token()
        server.stop()
        agent.launch("-joinToken", token)

        def written():
            agent.process.child.send_signal(signal.SIGUSR1)
            time.sleep(0.5)
            return "'spire_agent.bootstrapped." in agent.process.log()
        wait_until(lambda: "Starting agent" in agent.process.log(), 20, lambda: agent.process.log())
        wait_until(written, 30, lambda: agent.process.log()[-3000:])
        self.assertNotIn("Reconfigure signal received", agent.process.log())

    def tls_files(self, name, ca=None, purpose="clientAuth"):
        """A certificate with its key, self-signed or of `ca`, as paths."""
        cert, key = str(self.home / f"{name}.pem"), str(self.home / f"{name}.key")
        issued = ["-CA", ca[0], "-CAkey", ca[1]] if ca else []
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", f"/CN={name}",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-addext", f"extendedKeyUsage={purpose}", *issued,
                        "-keyout", key, "-out", cert], check=True, capture_output=True)
        return cert, key

    def secure_scrape(self, port, trust, identity=None, *, version=None):
        context = ssl.create_default_context(cafile=str(trust))
        context.check_hostname = False
        if version:
            context.maximum_version = version
        if identity:
            context.load_cert_chain(*identity)
        connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=20, context=context)
        try:
            connection.request("GET", "/metrics")
            return connection.getresponse().read().decode()
        finally:
            connection.close()

    def test_tls_with_files_and_a_client_ca(self):
        served, authority = self.tls_files("server", purpose="serverAuth"), self.tls_files("authority")
        mine, server_only = self.tls_files("mine", authority), self.tls_files("wrong-use", authority, "serverAuth")
        port = free_port()
        _, agent = self.running_pair(blocks=f'''telemetry {{ Prometheus {{ port = {port}
            tls {{ cert_file = "{served[0]}" key_file = "{served[1]}" client_ca_file = "{authority[0]}" }} }} }}''')
        wait_until(lambda: "Starting prometheus exporter" in agent.process.log(), 20, lambda: agent.process.log()[-3000:])
        self.assertIn("spire_agent_started", self.secure_scrape(port, served[0], mine))
        self.assertIn("spire_agent_started", self.secure_scrape(port, served[0], mine, version=ssl.TLSVersion.TLSv1_2))
        with self.assertRaises(ssl.SSLError) as refused:
            self.secure_scrape(port, served[0], version=ssl.TLSVersion.TLSv1_2)
        self.assertIn("HANDSHAKE_FAILURE", str(refused.exception))
        # In TLS 1.3 the client has sent its request by then, and the end of the connection may overtake the alert.
        with self.assertRaises((ssl.SSLError, ConnectionError)) as refused:
            self.secure_scrape(port, served[0])
        self.assertRegex(str(refused.exception), "CERTIFICATE_REQUIRED|EOF occurred|reset by peer|Broken pipe")
        for foreign in (self.tls_files("foreign"), server_only):
            with self.assertRaises((ssl.SSLError, ConnectionError)):
                self.secure_scrape(port, served[0], foreign)
        self.assertTrue(agent.healthy())

    def test_tls_with_the_agents_own_svid_and_spiffe_ids(self):
        port = free_port()
        server, agent = self.running_pair(blocks=f'''telemetry {{ Prometheus {{ port = {port}
            tls {{ use_spire_svid = true authorized_spiffe_ids = ["spiffe://example.org/scraper"] }} }} }}''')
        server.create_entry("/scraper")
        agent.wait_for_ids(["/scraper"])
        subprocess.run([agent.program, "api", "fetch", "x509", "-socketPath", agent.socket, "-write", self.home], check=True, capture_output=True)
        scraper = str(self.home / "svid.0.pem"), str(self.home / "svid.0.key")
        trust = agent.home / "bundle.pem"
        page = self.secure_scrape(port, trust, scraper)
        self.assertIn("spire_agent_started", page)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.secure_scrape(port, trust)
        with self.assertRaises((ssl.SSLError, ConnectionError)):
            self.secure_scrape(port, trust, self.tls_files("foreign"))

    def test_tls_mistakes_end_the_start(self):
        server = self.server().start()
        agent = self.agent(server, blocks="telemetry { Prometheus { tls {} } }").launch("-joinToken", server.token())
        self.assertEqual(agent.process.wait(20), 1)
        self.assertIn("failed to create TLS config for Prometheus: cert_file and key_file must both be configured unless "
                      "use_spire_svid is enabled", agent.process.log())

    def test_a_port_that_is_taken_is_a_warning(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            port = taken.getsockname()[1]
            _, agent = self.running_pair(blocks=f"telemetry {{ Prometheus {{ port = {port} }} }}")
            text = f"Prometheus listener stopped unexpectedly: listen tcp 127.0.0.1:{port}: bind: address already in use"
            wait_until(lambda: text in agent.process.log(), 20, lambda: agent.process.log()[-3000:])
            self.assertTrue(agent.healthy())


if __name__ == "__main__":
    unittest.main(verbosity=2)
