"""A stand-in for Podman's Docker-compatible API on a Unix socket: it knows every container, and gives all the same labels."""
import http.server
import json
import os
import socketserver
import threading


class Podman:
    def __init__(self, path, labels):
        self.path = str(path)
        self.asked = []
        self.repo_digests = None  # of the one image
        self.hang = threading.Event()
        self.hang.set()
        podman = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                podman.asked.append(self.path)
                podman.hang.wait(60)
                body = json.dumps({"Id": "sha256:0", "Config": {"Labels": labels, "Env": None, "Image": "localhost/app:1"}, "RepoDigests": podman.repo_digests}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def address_string(self):
                return "agent"

            def log_message(self, *_):
                pass

        class Server(socketserver.ThreadingUnixStreamServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass

        self.server = Server(self.path, Handler)
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def stop(self):
        self.hang.set()
        self.server.shutdown()
        self.server.server_close()
        os.unlink(self.path)
