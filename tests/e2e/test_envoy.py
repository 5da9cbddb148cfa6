"""Envoy proxies that take certificates and trust from the agent by SDS: tests/clients/envoy."""
import http.client
import http.server
import json
import re
import signal
import threading
import time
import unittest

from clients import ENVOY, as_workload, selector, spiffe_id, wait_until_served
from harness import Process, Suite, free_port, wait_until

TYPES = "type.googleapis.com/envoy.extensions"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def sds(name):
    return {"name": name, "sds_config": {"resource_api_version": "V3", "api_config_source": {
        "api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "spire_agent"}}]}}}


def tls(kind, expected_peer):
    """A transport socket with certificate and trust by SDS that takes this peer alone."""
    matcher = {"san_type": "URI", "matcher": {"exact": expected_peer}}
    context = {"@type": f"{TYPES}.transport_sockets.tls.v3.{kind}TlsContext", "common_tls_context": {
        "tls_certificate_sds_secret_configs": [sds("default")],
        "combined_validation_context": {"default_validation_context": {"match_typed_subject_alt_names": [matcher]}, "validation_context_sds_secret_config": sds("ROOTCA")}}}
    if kind == "Downstream":
        context["require_client_certificate"] = True
    return {"name": "tls", "typed_config": context}


def cluster(name, address, options, transport_socket=None):
    made = {"name": name, "connect_timeout": "0.25s" if "pipe" in address else "10s",
            "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]},
            "typed_extension_protocol_options": {HTTP_OPTIONS: {"@type": f"type.googleapis.com/{HTTP_OPTIONS}", **options}}}
    if transport_socket:
        made["transport_socket"] = transport_socket
    return made


def at_port(port):
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


class Envoy:
    """A proxy from `port` to `target_port`; one of both sides is mutual TLS with `peer`. Each request has a connection of its own."""

    def __init__(self, home, name, agent, target_port, peer, tls_side):
        self.name, self.port, self.admin = name, free_port(), free_port()
        manager = {"@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "ingress",
                   "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "target"}}]}]},
                   "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}]}
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        if tls_side == "listener":
            chain["transport_socket"] = tls("Downstream", peer)
        one_request = {"explicit_http_config": {"http_protocol_options": {}}, "common_http_protocol_options": {"max_requests_per_connection": 1}}
        config = {"node": {"id": name, "cluster": "steeple"}, "admin": {"address": at_port(self.admin)}, "static_resources": {
            "listeners": [{"name": "in", "address": at_port(self.port), "filter_chains": [chain]}],
            "clusters": [cluster("spire_agent", {"pipe": {"path": str(agent.socket)}}, {"explicit_http_config": {"http2_protocol_options": {}}}),
                         cluster("target", at_port(target_port), one_request, tls("Upstream", peer) if tls_side == "cluster" else None)]}}
        path = home / f"{name}.json"
        path.write_text(json.dumps(config))
        self.process = Process([ENVOY, "-c", path, "--concurrency", "1", "--disable-hot-restart", "--log-level", "warning"], home / f"{name}.log", **as_workload(name))

    def get(self, port, path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read().decode(errors="replace")
        except OSError as error:
            return 0, repr(error)
        finally:
            connection.close()

    def request(self):
        return self.get(self.port, "/")

    def serial(self):
        """The serial number of the certificate it has now, or None."""
        found = re.search(r'"serial_number": "([0-9a-f]+)"', self.get(self.admin, "/certs")[1].split('"cert_chain"')[-1])
        return found and found.group(1)

    def counter(self, pattern):
        return sum(int(value) for value in re.findall(rf"^{pattern}: (\d+)$", self.get(self.admin, "/stats")[1], re.M))

    def stop(self):
        return self.process.stop(seconds=20)


class Traffic:
    """Requests one after the other from a thread of its own, until stopped."""

    def __init__(self, envoy):
        self.envoy, self.done, self.failures, self.ended = envoy, 0, [], threading.Event()
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        while not self.ended.is_set():
            status, body = self.envoy.request()
            self.done += 1
            if (status, body) != (200, "from behind\n"):
                self.failures.append((time.time(), status, body))
            self.ended.wait(0.02)

    def wait_for_more(self, count):
        goal = self.done + count
        wait_until(lambda: self.done >= goal, 60, "no traffic")

    def stop(self):
        self.ended.set()
        self.thread.join()


class Behind(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"from behind\n")

    def log_message(self, *_):
        pass


class Proxies(Suite):
    def behind(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Behind)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(server.server_close)
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        return server.server_port

    def test_mutual_tls_through_rotation_and_restart(self):
        server, agent = self.running_pair()
        names = ("envoy-front", "envoy-back", "envoy-other")
        for name in names:
            server.create_entry(f"/{name}", "-x509SVIDTTL", "40", selector=selector(name))
        wait_until_served(agent, *names)
        back = self.keep(Envoy(self.home, "envoy-back", agent, self.behind(), spiffe_id("envoy-front"), "listener"))
        front = self.keep(Envoy(self.home, "envoy-front", agent, back.port, spiffe_id("envoy-back"), "cluster"))
        other = self.keep(Envoy(self.home, "envoy-other", agent, back.port, spiffe_id("envoy-back"), "cluster"))
        wait_until(lambda: front.request()[0] == 200, 60, lambda: f"{front.request()}\n{front.process.log()[-3000:]}\n{back.process.log()[-3000:]}\n{agent.process.log()[-3000:]}")

        # A valid SVID that the other side does not expect.
        wait_until(lambda: other.serial() and other.request()[0] == 503 and back.counter("listener.*ssl.fail_verify_san") > 0, 60, lambda: f"{other.request()} {other.process.log()[-3000:]}")

        traffic = self.keep(Traffic(front))
        proxies = (front, back)
        self.assert_renewed(proxies, lambda: None, "a rotation", traffic)
        self.assert_renewed(proxies, lambda: (agent.stop(), traffic.wait_for_more(20), agent.start()), "a restart of the agent", traffic)
        self.assert_renewed(proxies, lambda: (agent.stop(signal.SIGKILL), traffic.wait_for_more(20), agent.start()), "the death of the agent", traffic)
        traffic.stop()
        self.assertEqual(traffic.failures, [])
        self.assertEqual(other.request()[0], 503)

    def assert_renewed(self, proxies, event, what, traffic):
        before = {proxy.name: proxy.serial() for proxy in proxies}
        event()
        for proxy in proxies:
            wait_until(lambda proxy=proxy: proxy.serial() not in (None, before[proxy.name]), 60, lambda proxy=proxy: f"{proxy.name} has no new SVID after {what}\n{proxy.process.log()[-3000:]}")
        traffic.wait_for_more(50)
        self.assertEqual(traffic.failures, [], what)


if __name__ == "__main__":
    unittest.main(verbosity=2)
