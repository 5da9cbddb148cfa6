"""Both ways round with stock SPIRE programs: Steeple's agent on a stock server, a stock agent on the development server.

Runs where STEEPLE_SPIRE_BIN names a folder with spire-server and spire-agent; they cannot be had from Debian's packages.
"""
import json
import os
import pathlib
import subprocess
import sys
import unittest

from harness import STOCK, Agent, Server, Suite

HERE = pathlib.Path(__file__).parent


@unittest.skipUnless(STOCK, "STEEPLE_SPIRE_BIN is not set")
class OtherSuites(unittest.TestCase):
    def run_suite(self, name, server, agent):
        done = subprocess.run([sys.executable, HERE / f"test_{name}.py", "-v"], capture_output=True, text=True, timeout=800,
                              env={**os.environ, "STEEPLE_E2E_SERVER": server, "STEEPLE_E2E_AGENT": agent})
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_main_job_on_a_stock_server(self):
        self.run_suite("main_job", "stock", "steeple")

    def test_life_cycle_on_a_stock_server(self):
        self.run_suite("life_cycle", "stock", "steeple")

    def test_jwt_on_a_stock_server(self):
        self.run_suite("jwt", "stock", "steeple")

    def test_jwt_of_a_stock_agent(self):
        self.run_suite("jwt", "steeple", "stock")

    def test_main_job_of_a_stock_agent(self):
        self.run_suite("main_job", "steeple", "stock")

    def test_life_cycle_of_a_stock_agent(self):
        self.run_suite("life_cycle", "steeple", "stock")

    def test_client_programs_on_a_stock_server(self):
        for suite in ("clients", "envoy", "grpcurl"):
            self.run_suite(suite, "stock", "steeple")

    def test_client_programs_of_a_stock_agent(self):
        for suite in ("clients", "envoy", "grpcurl"):
            self.run_suite(suite, "steeple", "stock")

    def test_tokens_of_pods_on_a_stock_server(self):
        self.run_suite("k8s_node", "stock", "steeple")

    def test_tokens_of_pods_of_a_stock_agent(self):
        self.run_suite("k8s_node", "steeple", "stock")


@unittest.skipUnless(STOCK, "STEEPLE_SPIRE_BIN is not set")
class SharedFiles(Suite):
    def test_each_agent_starts_from_the_others_directory(self):
        server = self.server(kind="stock").start()
        agent = self.agent(server, kind="steeple").start("-joinToken", server.token())
        server.create_entry("/workload")
        agent.wait_for_ids(["/workload"], seconds=20)
        for kind in ("stock", "steeple", "stock"):
            agent.stop()
            agent.kind, agent.program = kind, Agent(agent.home, server, kind=kind).program
            agent.start()
            agent.wait_for_ids(["/workload"], seconds=20)
        self.assertEqual(agent.process.log().count('msg="Node attestation was successful"'), 1)

    def test_stock_server_commands_work_on_the_development_servers_socket(self):
        server = self.server(kind="steeple").start()
        stock = Server(self.home / "server", kind="stock", port=server.port)
        self.assertEqual(stock.command("healthcheck").stdout, "Server is healthy.\n")
        token = stock.token()
        self.assertTrue(token)
        entry = stock.create_entry("/made-by-the-stock-command")
        self.assertIn("/made-by-the-stock-command", stock.command("entry show", "-entryID", entry).stdout)
        shown = json.loads(stock.command("entry show", "-output", "json").stdout)
        self.assertIn("/made-by-the-stock-command", [one["spiffe_id"]["path"] for one in shown["entries"]])
        stock.command("entry update", "-entryID", entry, "-parentID", "spiffe://example.org/node", "-spiffeID", "spiffe://example.org/renamed", "-selector", "unix:uid:9")
        self.assertIn("/renamed", stock.command("entry show").stdout)
        stock.command("entry delete", "-entryID", entry)
        stock.command("agent list")
        self.assertIn("BEGIN CERTIFICATE", stock.command("bundle show").stdout)
        (self.home / "partner.pem").write_text(stock.command("bundle show").stdout)
        stock.command("bundle set", "-id", "spiffe://partner.test", "-path", self.home / "partner.pem")
        self.assertIn("partner.test", stock.command("bundle list").stdout)

    def test_federation_commands_print_the_same(self):
        """Both command lines on either server: what is printed of an answer is the same, a refused one included."""
        for kind in ("steeple", "stock"):
            server = self.server(f"server-{kind}", kind=kind).start()
            lines = [self.server(f"server-{kind}", kind=line, port=server.port) for line in ("steeple", "stock")]
            web = ["-trustDomain", "two.test", "-bundleEndpointURL", "https://two.test/bundle", "-bundleEndpointProfile", "https_web"]
            lines[0].command("federation create", *web)
            calls = [("federation create", *web), ("federation update", *web), ("federation create", *web, "-output", "json"), ("federation update", *web, "-output", "json"),
                     ("federation create",), ("federation create", "-trustDomain", "x"), ("federation create", *web[:4], "-bundleEndpointProfile", "other"),
                     ("federation create", *web[:4], "-bundleEndpointProfile", "https_spiffe"),
                     ("federation create", "-trustDomain", "A B", *web[2:]), ("federation create", *web, "-data", "-"),
                     ("federation update", "-trustDomain", "none.test", *web[2:]),
                     ("federation list",), ("federation list", "-output", "json"), ("federation show", "-trustDomain", "two.test"), ("federation show",),
                     ("federation show", "-trustDomain", "two.test", "-output", "json"), ("federation show", "-trustDomain", "none.test"),
                     ("federation refresh",), ("federation refresh", "-id", "none.test"), ("federation delete",), ("federation delete", "-id", "none.test"),
                     ("federation delete", "-id", "none.test", "-output", "json")]
            for call in calls:
                with self.subTest(server=kind, call=call):
                    ours, theirs = (line.command(*call, check=False) for line in lines)
                    self.assertEqual((ours.returncode, ours.stdout, ours.stderr), (theirs.returncode, theirs.stdout, theirs.stderr))


if __name__ == "__main__":
    unittest.main(verbosity=2)
