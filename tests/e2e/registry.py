"""A container registry stand-in that keeps signatures and attestations as cosign stores them, and a Rekor that answers searches.

Plain HTTP on the loopback address. `auth`: None, "basic" or "bearer" (with a token server at /token), for `user` and `password`.
"""
import base64
import http.server
import json
import os
import pathlib
import re
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "fakes"))
from sigstore_maker import Sigstore, manifest_of, tag_of  # noqa: E402


class HttpServer:
    """Serves `handle(handler)` in a thread; what was asked is in `asked` as "METHOD PATH"."""

    def __init__(self):
        self.asked = []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            timeout = 60

            def serve(self):
                outer.asked.append(f"{self.command} {self.path}")
                outer.handle(self)

            do_GET = do_HEAD = do_POST = serve

            def answer(self, status, body=b"", **headers):
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        self.running = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        if self.running:
            self.running = False
            self.server.shutdown()
            self.server.server_close()


class Registry(HttpServer):
    def __init__(self, auth=None, user="reader", password="opensesame", elsewhere=False):
        super().__init__()
        self.host = f"127.0.0.1:{self.port}"
        self.auth, self.user, self.password = auth, user, password
        self.elsewhere = elsewhere  # blobs are behind a redirect to another host's name
        self.leaked = []  # what was sent along the redirect
        self.manifests, self.blobs = {}, {}
        self.tokens = 0

    def image(self, name):
        """A new image's ID as the kubelet tells it."""
        return f"{self.host}/{name}@sha256:{os.urandom(32).hex()}"

    def put(self, image, layers, suffix="sig"):
        repository, _, digest = image.partition("/")[2].partition("@")
        self.manifests[repository, tag_of(digest, suffix)], blobs = manifest_of(layers)
        self.blobs.update(blobs)

    def sign(self, sigstore, image, attested=True, **how):
        """The image gets a signature, and an attestation."""
        reference, _, digest = image.partition("@")
        self.put(image, [sigstore.sign(reference, digest, **how)])
        if attested:
            self.put(image, [sigstore.attest(reference, digest, **how)], "att")
        return image

    def refuse(self, handler):
        body = json.dumps({"errors": [{"code": "UNAUTHORIZED", "message": "authentication required", "detail": None}]}).encode()
        challenge = f'Bearer realm="http://{self.host}/token",service="stand-in"' if self.auth == "bearer" else 'Basic realm="stand-in"'
        handler.answer(401, body, WWW_Authenticate=challenge)

    def authorized(self, handler):
        sent = handler.headers.get("Authorization", "")
        if self.auth == "bearer" and not handler.path.startswith("/token"):
            return sent == f"Bearer token-{self.tokens}"
        return sent == "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()

    def handle(self, handler):
        if handler.path.startswith("/elsewhere/"):
            self.leaked += handler.headers.get_all("Authorization", [])
            return handler.answer(200, self.blobs[handler.path.rpartition("/")[2]])
        if self.auth and not self.authorized(handler):
            return self.refuse(handler)
        if handler.path.startswith("/token"):
            self.tokens += 1
            return handler.answer(200, json.dumps({"token": f"token-{self.tokens}", "expires_in": 300}).encode())
        if handler.path == "/v2/":
            return handler.answer(200)
        found = re.fullmatch(r"/v2/(.+)/(manifests|blobs)/([^/]+)", handler.path)
        body = found and (self.manifests.get((found[1], found[3])) if found[2] == "manifests" else self.blobs.get(found[3]))
        if body is None:
            return handler.answer(404, b'{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}')
        if found[2] == "blobs" and self.elsewhere:
            return handler.answer(307, Location=f"http://localhost:{self.port}/elsewhere/{found[3]}")
        handler.answer(200, body, Content_Type="application/vnd.oci.image.manifest.v1+json")


class Rekor(HttpServer):
    """Answers each search with the same entries."""

    def __init__(self):
        super().__init__()
        self.answer = []
        self.url = f"http://127.0.0.1:{self.port}"

    def handle(self, handler):
        handler.rfile.read(int(handler.headers.get("Content-Length", "0")))
        handler.answer(200, json.dumps(self.answer).encode(), Content_Type="application/json")
