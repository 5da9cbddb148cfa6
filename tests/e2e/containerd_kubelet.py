"""A kubelet's secure port that lists exactly the pods a containerd reports, in kubelet's JSON.

TLS; a caller is known by a bearer token or by a certificate of the cluster's authority. Answers as the real one's: 401 and 403 with its texts.
"""
import http.server
import json
import pathlib
import ssl
import subprocess
import threading

ACCOUNT = "system:serviceaccount:spire:spire-agent"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class ClusterAuthority:
    """Signs the kubelet's serving certificate and clients' certificates."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.home.mkdir(parents=True)
        self.certificate, self.key = self.home / "ca.crt", self.home / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=cluster",
                "-keyout", self.key, "-out", self.certificate)

    def issue(self, name, alternative="DNS:localhost,IP:127.0.0.1"):
        """(certificate, key) of that common name."""
        request, key, certificate, extensions = (self.home / f"{name}.{suffix}" for suffix in ("csr", "key", "crt", "ext"))
        extensions.write_text(f"subjectAltName={alternative}\n")
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}", "-keyout", key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial", "-days", "2", "-extfile", extensions, "-out", certificate)
        return certificate, key


def pod_list(cri, node="node-1", hidden=()):
    """What a kubelet says of the pods of that runtime; names in `hidden` are not listed yet."""
    newest = {}
    for container in cri.ListContainers().containers:
        key = (container.pod_sandbox_id, container.metadata.name)
        if key not in newest or container.metadata.attempt > newest[key].metadata.attempt:
            newest[key] = container
    return {"kind": "PodList", "apiVersion": "v1", "metadata": {},
            "items": [pod_json(sandbox, [c for (owner, _), c in newest.items() if owner == sandbox.id], node)
                      for sandbox in cri.ListPodSandbox().items if sandbox.metadata.name not in hidden]}


def pod_json(sandbox, containers, node):
    states = {0: {"waiting": {"reason": "ContainerCreating"}}, 1: {"running": {}}, 2: {"terminated": {"exitCode": 0}}}
    names = [container.metadata.name for container in containers]
    statuses = [{"name": c.metadata.name, "state": states.get(c.state, {}), "lastState": {}, "ready": c.state == 1, "restartCount": c.metadata.attempt, "image": c.image.image,
                 "imageID": c.image_ref, "containerID": f"containerd://{c.id}", "started": c.state == 1} for c in containers]
    return {"metadata": {"name": sandbox.metadata.name, "namespace": sandbox.metadata.namespace, "uid": sandbox.metadata.uid,
                         "labels": json.loads(sandbox.annotations["example.org/labels"])},
            "spec": {"containers": [{"name": name, "image": c.image.image, "resources": {}} for name, c in zip(names, containers)],
                     "serviceAccountName": sandbox.annotations["example.org/service-account"], "nodeName": node, "restartPolicy": "Always"},
            "status": {"phase": "Running", "qosClass": "BestEffort", "containerStatuses": statuses}}


class ContainerdKubelet:
    def __init__(self, home, cri, tokens, port=0):
        """`tokens` maps a bearer token to whether it may read the pod list."""
        self.cri, self.tokens = cri, tokens
        self.hidden, self.requests, self.refused = set(), 0, []
        self.authority = ClusterAuthority(pathlib.Path(home) / "kubelet")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*self.authority.issue("kubelet"))
        context.load_verify_locations(self.authority.certificate)
        context.verify_mode = ssl.CERT_OPTIONAL
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), self.handler())
        self.server.daemon_threads = True
        self.server.handle_error = lambda *_: None  # a client that breaks its handshake off
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def judge(self, headers, certificate):
        """(status, text) of a refusal, or None for a caller that may read."""
        scheme, _, token = headers.get("Authorization", "").partition(" ")
        known = self.tokens.get(token) if scheme == "Bearer" else None
        if known is None and not certificate:
            return 401, "Unauthorized"
        if certificate or known:
            return None
        return 403, f"Forbidden (user={ACCOUNT}, verb=get, resource=nodes, subresource(s)=[pods proxy])\n"

    def handler(kubelet):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                kubelet.requests += 1
                refusal = kubelet.judge(self.headers, self.request.getpeercert())
                if not refusal and self.path.rstrip("/") != "/pods":
                    refusal = 404, "404 page not found\n"
                if refusal:
                    kubelet.refused.append(refusal[0])
                    return self.answer(refusal[0], "text/plain; charset=utf-8", refusal[1].encode())
                self.answer(200, "application/json", json.dumps(pod_list(kubelet.cri, hidden=kubelet.hidden), separators=(",", ":")).encode())

            def answer(self, status, kind, body):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                self.wfile.write(b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))

            def log_message(self, *_):
                pass

        return Handler

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
