"""Where the first trust bundle comes from: a file, a download over HTTPS, a helper behind a Unix socket, or nowhere."""
import base64
import http.server
import json
import os
import re
import socketserver
import ssl
import subprocess
import threading
import urllib.parse
import unittest

from harness import Suite, wait_until


def spiffe_bundle(pem):
    """The SPIFFE form of a bundle, from certificates in PEM."""
    blocks = re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", pem, re.S)
    keys = []
    for block in blocks:
        der = base64.b64decode(block)
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-pubkey"], input=der, capture_output=True, check=True).stdout
        public = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=text, capture_output=True, check=True).stdout[-64:]
        encode = lambda part: base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        keys.append({"use": "x509-svid", "kty": "EC", "crv": "P-256", "x": encode(public[:32]), "y": encode(public[32:]), "x5c": [base64.b64encode(der).decode()]})
    return json.dumps({"keys": keys, "spiffe_refresh_hint": 300})


class BundleHandler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.requests.append(self.path)
        status, body = self.server.answers.pop(0) if len(self.server.answers) > 1 else self.server.answers[0]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def address_string(self):
        return "unix"

    def log_message(self, *_):
        pass


class UnixHttpServer(socketserver.UnixStreamServer):
    pass


class Bootstrap(Suite):
    def serve(self, server, *answers):
        server.requests, server.answers = [], list(answers)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def pem(self, server):
        return server.command("bundle show").stdout

    def test_file_in_spiffe_form(self):
        server = self.server().start()
        agent = self.agent(server, trust_bundle_format="spiffe")
        (agent.home / "bundle.pem").write_text(spiffe_bundle(self.pem(server)))
        agent.start("-joinToken", server.token())

    def test_https_download_with_a_first_failure(self):
        server = self.server().start()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "web.key", "-out", "web.pem", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"], check=True, capture_output=True, cwd=self.home)
        web = http.server.HTTPServer(("127.0.0.1", 0), BundleHandler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.home / "web.pem", self.home / "web.key")
        web.socket = context.wrap_socket(web.socket, server_side=True)
        self.serve(web, (503, "not yet"), (200, self.pem(server)))
        agent = self.agent(server, trust_bundle_path=None, trust_bundle_url=f"https://localhost:{web.server_port}/bundle.pem")
        agent.launch("-joinToken", server.token(), environment={"SSL_CERT_FILE": str(self.home / "web.pem")})
        wait_until(lambda: "error downloading trust bundle: 503 Service Unavailable" in agent.process.log(), 20, lambda: agent.process.log()[-3000:])
        wait_until(agent.healthy, 30, lambda: agent.process.log()[-3000:])
        self.assertIn('msg="Node attestation was successful"', agent.process.log())
        self.assertGreaterEqual(len(web.requests), 2)

    def test_a_web_server_the_system_does_not_trust_is_refused(self):
        server = self.server().start()
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "web.key", "-out", "web.pem", "-subj",
                        "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"], check=True, capture_output=True, cwd=self.home)
        web = http.server.HTTPServer(("127.0.0.1", 0), BundleHandler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.home / "web.pem", self.home / "web.key")
        web.socket = context.wrap_socket(web.socket, server_side=True)
        web.handle_error = lambda *_: None
        self.serve(web, (200, self.pem(server)))
        agent = self.agent(server, trust_bundle_path=None, trust_bundle_url=f"https://localhost:{web.server_port}/bundle.pem")
        agent.launch("-joinToken", server.token())
        wait_until(lambda: "unable to fetch trust bundle URL" in agent.process.log(), 20, lambda: agent.process.log()[-3000:])
        self.assertNotIn("Node attestation was successful", agent.process.log())

    def test_helper_behind_a_unix_socket_is_told_of_the_attempt(self):
        server = self.server().start()
        path = str(self.home / "helper.sock")
        helper = self.serve(UnixHttpServer(path, BundleHandler), (200, self.pem(server)))
        agent = self.agent(server, trust_bundle_path=None, trust_bundle_url="http://helper/bundle?colour=blue", trust_bundle_unix_socket=path)
        agent.start("-joinToken", server.token())
        query = urllib.parse.parse_qs(urllib.parse.urlparse(helper.requests[0]).query)
        self.assertEqual(query["colour"], ["blue"])
        self.assertEqual(query["spire-attest-mode"], ["bootstrap"])
        self.assertEqual(query["spire-connection-attempts"], ["1"])
        self.assertEqual(query["spire-server-port"], [str(server.port)])
        self.assertEqual(query["spiffe-trust-domain"], ["example.org"])

    def test_insecure_bootstrap_warns_and_verifies_from_then_on(self):
        server = self.server().start()
        agent = self.agent(server, trust_bundle_path=None, insecure_bootstrap=True)
        agent.start("-joinToken", server.token())
        self.assertIn("Insecure bootstrap enabled; skipping server certificate verification", agent.process.log())
        self.assertTrue(json.loads((agent.home / "data" / "agent-data.json").read_text())["bundle"])
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"], seconds=20)


if __name__ == "__main__":
    unittest.main(verbosity=2)
