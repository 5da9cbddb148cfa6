"""Envoy proxies as the suites start them, and traffic through them."""
import http.client
import http.server
import json
import re
import threading
import time

from clients import ENVOY, as_workload
from harness import Process, free_port, wait_until

TYPES = "type.googleapis.com/envoy.extensions"
BODY = "from behind\n"
HTTP_OPTIONS = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"


def sds(name):
    return {"name": name, "sds_config": {"resource_api_version": "V3", "api_config_source": {
        "api_type": "GRPC", "transport_api_version": "V3", "grpc_services": [{"envoy_grpc": {"cluster_name": "spire_agent"}}]}}}


def tls(kind, peers, certificate, trust):
    """A transport socket that takes these peers alone; `certificate` and `trust` are the names of the secrets it asks for."""
    matchers = [{"san_type": "URI", "matcher": {"exact": peer}} for peer in peers]
    context = {"@type": f"{TYPES}.transport_sockets.tls.v3.{kind}TlsContext", "common_tls_context": {
        "tls_certificate_sds_secret_configs": [sds(certificate)],
        "combined_validation_context": {"default_validation_context": {"match_typed_subject_alt_names": matchers}, "validation_context_sds_secret_config": sds(trust)}}}
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
    """A proxy from `port` to `target_port`; one of both sides is mutual TLS with one of `peers`. Each request has a connection of its own."""

    def __init__(self, home, name, agent, target_port, peers, tls_side, certificate="default", trust="ROOTCA", metadata=None):
        self.name, self.port, self.admin = name, free_port(), free_port()
        manager = {"@type": f"{TYPES}.filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "ingress",
                   "route_config": {"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "target"}}]}]},
                   "http_filters": [{"name": "router", "typed_config": {"@type": f"{TYPES}.filters.http.router.v3.Router"}}]}
        chain = {"filters": [{"name": "http", "typed_config": manager}]}
        if tls_side == "listener":
            chain["transport_socket"] = tls("Downstream", peers, certificate, trust)
        one_request = {"explicit_http_config": {"http_protocol_options": {}}, "common_http_protocol_options": {"max_requests_per_connection": 1}}
        config = {"node": {"id": name, "cluster": "steeple", "metadata": metadata or {}}, "admin": {"address": at_port(self.admin)}, "static_resources": {
            "listeners": [{"name": "in", "address": at_port(self.port), "filter_chains": [chain]}],
            "clusters": [cluster("spire_agent", {"pipe": {"path": str(agent.socket)}}, {"explicit_http_config": {"http2_protocol_options": {}}}),
                         cluster("target", at_port(target_port), one_request, tls("Upstream", peers, certificate, trust) if tls_side == "cluster" else None)]}}
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

    def secrets(self):
        """The secrets it has from the agent, as it shows them: names and kinds of trust."""
        return self.get(self.admin, "/config_dump?resource=dynamic_active_secrets")[1]

    def trust_updates(self):
        """How often it took a certificate or trust from the agent."""
        return self.counter(r"[^ ]*ssl_socket_factory\.ssl_context_update_by_sds")

    def tail(self):
        return self.process.log()[-3000:]

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
            if (status, body) != (200, BODY):
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
        self.wfile.write(BODY.encode())

    def log_message(self, *_):
        pass


def serve_behind(suite):
    """An HTTP server for the time of the test; its port."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Behind)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    suite.addCleanup(server.server_close)
    suite.addCleanup(thread.join)
    suite.addCleanup(server.shutdown)
    return server.server_port
