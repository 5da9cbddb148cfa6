"""A stub kubelet and container cgroups, for the suites and benchmarks that attest pods without a container runtime."""
import http.server
import json
import os
import pathlib
import re
import ssl
import subprocess
import threading
import uuid

CGROUPS = pathlib.Path("/sys/fs/cgroup/systemd" if os.path.isdir("/sys/fs/cgroup/systemd") else "/sys/fs/cgroup")
FILLER_BYTES = 8 * 1024  # a pod's JSON on an ordinary node


def can_make_cgroups():
    probe = CGROUPS / f"steeple-probe-{os.getpid()}"
    try:
        probe.mkdir()
        probe.rmdir()
        return True
    except OSError:
        return False


class Pod:
    """A pod of one container, as the kubelet lists it."""

    def __init__(self, name, namespace="default", account="default", image_id="registry.example.org/app@sha256:" + "ab" * 32):
        self.name, self.namespace, self.account, self.image_id = name, namespace, account, image_id
        self.uid = str(uuid.uuid4())
        self.container = os.urandom(32).hex()
        self.phase = "Running"

    def json(self, size=FILLER_BYTES):
        pod = {"metadata": {"name": self.name, "namespace": self.namespace, "uid": self.uid, "labels": {"app": self.name},
                            "annotations": {"note": "{\"quoted\":\"}]\"}"}},
               "spec": {"serviceAccountName": self.account, "nodeName": "node-1",
                        "containers": [{"name": "main", "image": "registry.example.org/app:1.0", "resources": {}}]},
               "status": {"phase": self.phase, "containerStatuses": [
                   {"name": "main", "state": {"running": {}}, "image": "registry.example.org/app:1.0",
                    "imageID": self.image_id, "containerID": "containerd://" + self.container}]}}
        conditions = pod["status"]["conditions"] = []
        filler = {"type": "Ready", "status": "True", "lastProbeTime": None, "lastTransitionTime": "2026-01-02T03:04:05Z"}
        room = size - len(json.dumps(pod, separators=(",", ":")))
        conditions.extend([filler] * max(room // len(json.dumps(filler, separators=(",", ":"))), 0))
        return json.dumps(pod, separators=(",", ":")).encode()


class Kubelet:
    """Serves GET /pods over TLS to whoever has the token; counts requests. `answer` overrides: (status, body), or bytes."""

    def __init__(self, home, token="kubelet-token"):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True, exist_ok=True)
        self.token_path = self.home / "token"
        self.set_token(token)
        self.requests = 0
        self.connections = 0
        self.answer = None
        self.hang = threading.Event()
        self.hang.set()
        self.body = b'{"items":null}'
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=kubelet",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", self.home / "kubelet.key", "-out", self.home / "kubelet.crt"],
                       check=True, capture_output=True)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.home / "kubelet.crt", self.home / "kubelet.key")
        kubelet = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def setup(self):
                kubelet.connections += 1
                self.request.do_handshake()
                super().setup()

            def do_GET(self):
                kubelet.requests += 1
                kubelet.hang.wait(60)
                status, body = 200, kubelet.body
                if kubelet.answer:
                    status, body = kubelet.answer
                elif self.headers.get("Authorization") != f"Bearer {kubelet.token}":
                    status, body = 401, b"Unauthorized"
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def set_token(self, token):
        self.token = token
        self.token_path.write_text(token + "\n")

    def list(self, pods):
        self.body = b'{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[' + b",".join(
            pod if isinstance(pod, bytes) else pod.json() for pod in pods) + b"]}"

    def plugin(self, *extra):
        """The attestor's block of agent.conf."""
        lines = [f"kubelet_secure_port = {self.port}", f'kubelet_ca_path = "{self.home}/kubelet.crt"', f'token_path = "{self.token_path}"', *extra]
        return 'WorkloadAttestor "k8s" { plugin_data {\n' + "\n".join(lines) + "\n} }"

    def stop(self):
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()


class Cgroups:
    """Cgroups named as a kubelet with the cgroupfs driver names them; removed again."""

    def __init__(self):
        self.root = CGROUPS / f"steeple-e2e-{os.getpid()}-{os.urandom(3).hex()}"

    def of(self, pod, container=None, below=""):
        path = self.root / "kubepods/besteffort" / f"pod{pod.uid}" / (container or pod.container) / below
        path.mkdir(parents=True, exist_ok=True)
        return path

    def run(self, cgroup, arguments, **options):
        """Like subprocess.Popen, in that cgroup from its first instruction."""
        command = ["sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"', str(cgroup), *map(str, arguments)]
        return subprocess.Popen(command, **options)

    def stop(self):
        for folder, _, _ in os.walk(self.root, topdown=False):
            try:
                os.rmdir(folder)
            except OSError:
                pass  # somebody is still in it; the next run's names are others
